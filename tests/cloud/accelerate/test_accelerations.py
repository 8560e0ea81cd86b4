"""What accelerations must not change, and what they must."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import CacheConfig, compose_config
from obclip_cli.cost.macs import path_macs, unet_macs
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest
from tests.conftest import tiny_pipeline

REQUEST = CloudRequest(("a man", "a woman"), 6, 0, 5, 3.0, 1)


@pytest.fixture(scope="module", params=["mid block", "no mid block"])
def pipeline(request: pytest.FixtureRequest) -> StableDiffusionPipeline:
    return tiny_pipeline(1, mid_block=request.param == "mid block")


def latents(pipeline: StableDiffusionPipeline, cache: CacheConfig | None = None, guidance: float = 3.0) -> torch.Tensor:
    request = CloudRequest(REQUEST.candidates, 6, 0, 5, guidance, 1)
    return CloudServer(pipeline, batch=30, cache=cache).denoise(request)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_points_at_the_last_step_are_off(dtype: torch.dtype, guidance: float) -> None:
    pipeline = tiny_pipeline(1, mid_block=True).to(dtype=dtype)
    plain = latents(pipeline, guidance=guidance)
    assert torch.equal(latents(pipeline, CacheConfig(cache_point=5, skip_point=5), guidance), plain)


@pytest.mark.parametrize(
    "cache",
    [
        CacheConfig(cache_point=2),
        CacheConfig(skip_point=2),
        CacheConfig(skip_point=2, fresh_conv_in=False),
        CacheConfig(cache_point=1, skip_point=3),
        CacheConfig(cache_point=1, refresh=2),
    ],
)
def test_each_changes_the_latents_repeats_itself_and_leaves_nothing(
    pipeline: StableDiffusionPipeline, cache: CacheConfig
) -> None:
    plain = latents(pipeline)
    first, again = latents(pipeline, cache), latents(pipeline, cache)
    assert torch.equal(first, again)
    assert not torch.equal(first, plain)
    assert torch.equal(latents(pipeline), plain)
    assert not any("forward" in vars(module) for module in pipeline.unet.modules())
    assert {type(p).__name__ for p in pipeline.unet.attn_processors.values()} == {"AttnProcessor2_0"}


def test_the_model_is_restored_after_an_error(pipeline: StableDiffusionPipeline) -> None:
    before = dict(pipeline.unet.attn_processors)
    with pytest.raises(RuntimeError), attached(pipeline.unet, accelerations(CacheConfig(cache_point=1, skip_point=1))):
        raise RuntimeError
    assert pipeline.unet.attn_processors == before
    assert not any("forward" in vars(module) for module in pipeline.unet.modules())


def test_refresh_computes_attention_again(pipeline: StableDiffusionPipeline) -> None:
    """With a refresh at every step after r, only step r itself reuses."""
    every, never = CacheConfig(cache_point=1, refresh=1), CacheConfig(cache_point=1)
    assert _macs(pipeline, every, 5) > _macs(pipeline, never, 5)
    assert _macs(pipeline, every, 5) == _macs(pipeline, CacheConfig(), 4) + _macs(pipeline, never, 2) - _macs(
        pipeline, CacheConfig(), 1
    )


def _macs(pipeline: StableDiffusionPipeline, cache: CacheConfig, steps: int) -> int:
    return path_macs(pipeline.unet.config, 8, steps, lambda unet: attached(unet, accelerations(cache)))


def test_cost_counts_what_is_not_run(pipeline: StableDiffusionPipeline) -> None:
    one = unet_macs(pipeline.unet.config, 8)
    assert _macs(pipeline, CacheConfig(), 5) == 5 * one
    cached, skipped = (
        _macs(pipeline, CacheConfig(cache_point=1), 2) - one,
        _macs(pipeline, CacheConfig(cache_point=1, skip_point=1), 2) - one,
    )
    assert 0 < skipped < cached < one


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["cache.cache_point=0"], "cache.cache_point=0 must lie in 1..10"),
        (["cache.skip_point=11"], "cache.skip_point=11"),
        (["cache.cache_point=5", "cache.skip_point=3"], "make skip_point at least cache_point"),
        (["cache.cache_point=5", "cache.refresh=0"], "cache.refresh=0"),
    ],
)
def test_meaningless_points_are_refused(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        compose_config(overrides)
