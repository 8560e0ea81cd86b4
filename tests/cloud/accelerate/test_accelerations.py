"""What accelerations must not change, and what they must, alone and together."""

import itertools
from dataclasses import replace
from random import Random

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.accelerate.pivot_attention import pivot_place
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import NO_ACCELERATION as OFF
from obclip_cli.config import CacheConfig
from obclip_cli.cost.macs import steps_macs
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.protocol import CloudRequest
from tests.conftest import tiny_pipeline

K = 5
PROMPTS = ("a man", "a woman", "an old man")
LOSSY = {
    "pivot for all rows": CacheConfig(reuse="all", cache_point=2),
    "pivot a branch": CacheConfig(reuse="branch"),
    "pivot in self-attention": CacheConfig(reuse="all", reuse_layers="self"),
    "pivot in cross-attention": CacheConfig(reuse="all", reuse_layers="cross"),
    "attention cache": CacheConfig(cache_point=2),
    "attention cache, refreshed": CacheConfig(cache_point=1, refresh=2),
    "block skip": CacheConfig(skip_point=2),
    "block skip with the old conv_in": CacheConfig(skip_point=2, fresh_conv_in=False),
    "from the first step on": CacheConfig(cache_point=1, skip_point=1),
    "everything": CacheConfig(reuse="all", cache_point=2, skip_point=3),
    "skip every second step, first order": CacheConfig(skip_every=2, order=1),
    "deep levels": CacheConfig(skip_point=2, skip_levels="deep", order=1),
    "attention cache, first order": CacheConfig(cache_point=2, order=1),
    "guidance every second step": CacheConfig(guidance_every=2),
    "trunk": CacheConfig(trunk=2),
    "trunk, then everything": CacheConfig(trunk=1, reuse="all", cache_point=1, skip_point=3, order=0),
    "trunk and guidance": CacheConfig(trunk=2, guidance_every=2),
    "trunk and alternation": CacheConfig(trunk=2, skip_every=2, order=1),
}


@pytest.fixture(scope="module", params=["mid block", "no mid block"])
def pipeline(request: pytest.FixtureRequest) -> StableDiffusionPipeline:
    return tiny_pipeline(1, mid_block=request.param == "mid block")


def assert_equal_but_for_rounding(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Within 1e-5 of the largest value in fp32: other batch sizes round differently."""
    assert ((found - expected).abs().max() / expected.abs().max()).item() < 1e-5


def latents(
    pipeline: StableDiffusionPipeline,
    cache: CacheConfig = OFF,
    *,
    guidance: float = 3.0,
    prompts: tuple[str, ...] = PROMPTS,
    batch: int = 60,
) -> torch.Tensor:
    request = CloudRequest(prompts, 6, 0, K, guidance, 1)
    return CloudServer(pipeline, batch=batch, cache=cache).denoise(request).latents


@pytest.mark.parametrize("cache", LOSSY.values(), ids=LOSSY)
def test_each_changes_the_latents_repeats_itself_and_leaves_nothing(
    pipeline: StableDiffusionPipeline, cache: CacheConfig
) -> None:
    before = dict(pipeline.unet.attn_processors)
    plain = latents(pipeline)
    first, again = latents(pipeline, cache), latents(pipeline, cache)
    assert torch.equal(first, again)
    assert not torch.allclose(first, plain, atol=1e-4)
    assert pipeline.unet.attn_processors == before
    assert not any("forward" in vars(module) for module in pipeline.unet.modules())
    assert torch.equal(latents(pipeline), plain)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("cache", [OFF, *LOSSY.values()], ids=["nothing else", *LOSSY])
def test_sharing_the_first_step_changes_nothing(
    pipeline: StableDiffusionPipeline, cache: CacheConfig, guidance: float
) -> None:
    apart = latents(pipeline, replace(cache, shared_first_step=False), guidance=guidance)
    shared = latents(pipeline, replace(cache, shared_first_step=True), guidance=guidance)
    assert_equal_but_for_rounding(shared, apart)


@pytest.mark.parametrize("cache", LOSSY.values(), ids=LOSSY)
def test_chunks_share_the_pivot_and_give_the_same_latents(
    pipeline: StableDiffusionPipeline, cache: CacheConfig
) -> None:
    whole = latents(pipeline, cache)
    assert_equal_but_for_rounding(latents(pipeline, cache, batch=4), whole)
    assert_equal_but_for_rounding(latents(pipeline, cache, batch=2), whole)


@pytest.mark.parametrize("cache", [LOSSY["pivot for all rows"], LOSSY["everything"]])
@pytest.mark.parametrize("batch", [60, 2], ids=["at once", "in chunks"])
def test_the_public_pivot_is_the_same_for_every_order(
    pipeline: StableDiffusionPipeline, cache: CacheConfig, batch: int
) -> None:
    """Every candidate gets the latents that it gets with the drawn pivot at the head of the list."""
    pivot = PROMPTS[pivot_place(PROMPTS)]
    headed = (pivot, *(prompt for prompt in PROMPTS if prompt != pivot))
    expected = dict(zip(headed, latents(pipeline, replace(cache, pivot="first"), prompts=headed), strict=True))
    for order in itertools.permutations(PROMPTS):
        for prompt, found in zip(order, latents(pipeline, cache, prompts=order, batch=batch), strict=True):
            assert_equal_but_for_rounding(found, expected[prompt])


@given(st.lists(st.text(), min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_the_pivot_is_a_function_of_the_set(candidates: list[str], random: Random) -> None:
    pivot = candidates[pivot_place(candidates)]
    random.shuffle(candidates)
    assert candidates[pivot_place(candidates)] == pivot


@pytest.mark.parametrize("size", [2, 6, 30])
def test_every_place_of_the_canonical_order_is_the_pivot_as_often(size: int) -> None:
    """Within four standard errors of a fair draw, over 3,000 sets."""
    drawn = [pivot_place([f"{value} in place {number}" for value in range(size)]) for number in range(3000)]
    share, counts = 1 / size, [drawn.count(place) for place in range(size)]
    assert max(abs(count - 3000 * share) for count in counts) < 4 * (3000 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 3), (3.0, 4)])
def test_no_more_rows_at_once_than_allowed(pipeline: StableDiffusionPipeline, guidance: float, rows: int) -> None:
    """Five rows hold two guided candidates, or all three unguided ones."""
    seen: list[int] = []
    handle = pipeline.unet.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        latents(pipeline, guidance=guidance, batch=5)
    finally:
        handle.remove()
    assert max(seen) == rows


def test_rows_that_differ_are_not_shared(pipeline: StableDiffusionPipeline) -> None:
    """Where the rows start from different noise, the first step runs them all."""
    rows, width = 4, pipeline.unet.config.cross_attention_dim
    generator = torch.Generator().manual_seed(0)
    sample, embeds = torch.randn(rows, 4, 8, 8, generator=generator), torch.randn(rows, 3, width, generator=generator)
    with torch.no_grad():
        plain = pipeline.unet(sample, 5, encoder_hidden_states=embeds).sample
        with attached(pipeline.unet, accelerations(CacheConfig()), StepContext(unconditional=2, conditional=2)):
            assert torch.equal(pipeline.unet(sample, 5, encoder_hidden_states=embeds).sample, plain)


def macs(pipeline: StableDiffusionPipeline, cache: CacheConfig, *, candidates: int = 1) -> list[int]:
    counted = steps_macs(
        pipeline.unet.config, 8, candidates=candidates, guided=True, steps=K, chosen=accelerations(cache)
    )
    return [step.total for step in counted]


@pytest.mark.parametrize("batch", [6, 4], ids=["at once", "in chunks"])
@pytest.mark.parametrize("cache", [OFF, CacheConfig(), *LOSSY.values()], ids=["off", "default", *LOSSY])
def test_the_count_is_that_of_a_real_run(pipeline: StableDiffusionPipeline, cache: CacheConfig, batch: int) -> None:
    """What torch counts while three candidates are really denoised; it does not see a CPU's fused attention."""
    before = dict(pipeline.unet.attn_processors)
    pipeline.unet.set_attn_processor(AttnProcessor())
    try:
        with FlopCounterMode(display=False) as counter:
            latents(pipeline, cache, batch=batch)
    finally:
        pipeline.unet.set_attn_processor(before)
    counted = counter.get_flop_counts()["UNet2DConditionModel"]
    tokens = pipeline.tokenizer.model_max_length
    expected = steps_macs(
        pipeline.unet.config, tokens, candidates=3, guided=True, steps=K, chosen=accelerations(cache), batch=batch
    )
    assert sum(counted.values()) // 2 == sum(step.total for step in expected)


def test_cost_of_sharing(pipeline: StableDiffusionPipeline) -> None:
    plain = macs(pipeline, OFF, candidates=3)
    first = macs(pipeline, CacheConfig(), candidates=3)
    assert first[0] < plain[0] and first[1:] == plain[1:]
    branch, whole = (macs(pipeline, replace(OFF, reuse=scope), candidates=3)[0] for scope in ("branch", "all"))
    assert whole < branch < plain[0]
    one = macs(pipeline, replace(OFF, reuse="branch"))[0]
    assert one == macs(pipeline, OFF)[0]  # a pivot of its own for each of the two rows saves nothing


@pytest.mark.parametrize(("cache", "k"), [("paper_k5", 5), ("paper_k10", 10), ("paper_lcm", 4)])
def test_presets_fit_their_switch_point(cache: str, k: int) -> None:
    config = compose_config([f"cache={cache}", f"hybrid.switch_point={k}"])
    assert config.cache.name == cache
    assert {part.label for part in accelerations(config.cache)} >= {"pivot attention", "attention cache"}


def test_combinations_all_run(pipeline: StableDiffusionPipeline) -> None:
    """Every combination of the parts gives finite latents."""
    for reuse, r, s, shared in itertools.product((None, "all", "branch"), (None, 2), (None, 3), (False, True)):
        cache = CacheConfig(reuse=reuse, cache_point=r, skip_point=s, shared_first_step=shared)
        assert latents(pipeline, cache).isfinite().all()
