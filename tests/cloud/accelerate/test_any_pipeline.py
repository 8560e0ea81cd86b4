"""`accelerate` on stock pipelines by their own call: the cloud's own results, anew at each call, and no trace after."""

import doctest
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)

from obclip_cli.cloud.accelerate import any_pipeline
from obclip_cli.cloud.accelerate.any_pipeline import accelerate
from obclip_cli.config import CacheConfig
from obclip_cli.errors import UserError
from tests.cloud.accelerate.architectures import (
    PROMPTS,
    SEED,
    STEPS,
    TOLERANCE,
    denoised,
    difference,
    pipeline_of,
    stock_prompts,
)
from tests.conftest import tiny_pipeline

EVERYTHING = {"reuse": "all", "cache_point": 1, "skip_point": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": EVERYTHING,
    "a pivot a branch": {"reuse": "branch", "shared_first_step": False},
    "refreshed": {"cache_point": 1, "refresh": 1, "skip_point": 2, "fresh_conv_in": False},
}


def called(pipeline: DiffusionPipeline, prompts: tuple[str, ...] = PROMPTS, **options: Any) -> torch.Tensor:
    """Latents of the pipeline's own call, all from one noise."""
    options = {"num_inference_steps": STEPS, "guidance_scale": 3.0, "output_type": "latent"} | options
    noise = [torch.Generator().manual_seed(SEED) for _ in prompts]
    words = {} if "prompt_embeds" in options else {"prompt": list(prompts)}
    return pipeline(**words, generator=noise, **options).images


def traces(pipeline: DiffusionPipeline) -> Mapping[str, Any]:
    """What accelerations could leave on the UNet."""
    hooks = ("_forward_pre_hooks", "_forward_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs")
    return {
        "processors": dict(pipeline.unet.attn_processors),
        "forwards": [name for name, module in pipeline.unet.named_modules() if "forward" in vars(module)],
        "hooks": [(name, dict(getattr(m, hook))) for name, m in pipeline.unet.named_modules() for hook in hooks],
        "weights": {name: value.clone() for name, value in pipeline.unet.state_dict().items()},
    }


def assert_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    assert {key: before[key] for key in before if key != "weights"} == {k: after[k] for k in after if k != "weights"}
    assert before["weights"].keys() == after["weights"].keys()
    assert all(torch.equal(value, after["weights"][name]) for name, value in before["weights"].items())


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    made = tiny_pipeline(1, mid_block=True)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("architecture", ["sd14", "bksdm-small", "sdxl", "lcm-sdxl", "mini"])
def test_its_results_are_the_clouds_bit_for_bit(architecture: str) -> None:
    pipeline = pipeline_of(architecture)
    words = stock_prompts(pipeline, PROMPTS)
    for guidance in (1.0, 3.0):
        plain = called(pipeline, guidance_scale=guidance, **words)
        for name, settings in SETTINGS.items():
            with accelerate(pipeline, **settings):
                found = called(pipeline, guidance_scale=guidance, **words)
            cache = CacheConfig(**settings, pivot="first")
            assert torch.equal(found, denoised(pipeline, cache, guidance=guidance)), name
            assert not settings or not torch.allclose(found, plain, atol=1e-4), name


def test_every_call_starts_anew_with_its_own_batch(pipeline: StableDiffusionPipeline) -> None:
    batches = (PROMPTS, PROMPTS[:1], PROMPTS[1:], PROMPTS)
    alone = []
    for prompts in batches:
        with accelerate(pipeline, **EVERYTHING):
            alone.append(called(pipeline, prompts))
    with accelerate(pipeline, **EVERYTHING):
        for prompts, expected in zip(batches, alone, strict=True):
            assert torch.equal(called(pipeline, prompts), expected)
            with suppress(RuntimeError):
                called(pipeline, callback_on_step_end=_stop)
        unguided = called(pipeline, guidance_scale=1.0)
    assert torch.equal(unguided, denoised(pipeline, CacheConfig(**EVERYTHING, pivot="first"), guidance=1.0))


def _stop(*_: Any) -> dict[str, Any]:
    raise RuntimeError


@pytest.mark.parametrize("scheduler", [DDIMScheduler, PNDMScheduler])
def test_a_scheduler_that_counts_no_steps(pipeline: StableDiffusionPipeline, scheduler: Any) -> None:
    """Attention is computed in the steps before r and in no other, in each call."""
    pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    computed = []
    attention = pipeline.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    watching = attention.to_q.register_forward_pre_hook(lambda *_: computed.append(1))
    with accelerate(pipeline, cache_point=2):
        first, again = (called(pipeline, num_inference_steps=5) for _ in range(2))
    watching.remove()
    assert torch.equal(first, again) and len(computed) == 2 * 2


def test_steps_are_those_of_a_call_that_begins_later(pipeline: StableDiffusionPipeline) -> None:
    """From an image the first step of the call is step 0, wherever on the schedule it stands."""
    from_image = StableDiffusionImg2ImgPipeline(**pipeline.components, requires_safety_checker=False)
    from_image.set_progress_bar_config(disable=True)
    image, seen = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), []

    def made(prompt: str) -> torch.Tensor:
        rest = {"num_inference_steps": 6, "strength": 0.5, "output_type": "latent"}
        return from_image(prompt, image=image, generator=torch.Generator().manual_seed(1), **rest).images

    with accelerate(from_image, cache_point=1):
        processor = next(iter(pipeline.unet.attn_processors.values()))
        handle = pipeline.unet.register_forward_pre_hook(lambda *_: seen.append(processor.cache.context.step))
        first, other, again = made("a man"), made("a woman"), made("a man")
    handle.remove()
    assert seen == [0, 1, 2] * 3
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_negative_prompts_of_their_own_are_not_shared(pipeline: StableDiffusionPipeline) -> None:
    negative = {"negative_prompt": ["blurred", "a cartoon", "grey"]}
    with accelerate(pipeline):
        found = called(pipeline, **negative)
    assert difference(found, called(pipeline, **negative)) < TOLERANCE


def test_nothing_stays_behind(pipeline: StableDiffusionPipeline) -> None:
    before, plain = traces(pipeline), called(pipeline)
    with accelerate(pipeline, **EVERYTHING):
        called(pipeline)
        assert traces(pipeline)["processors"] != before["processors"]
    assert_same(before, traces(pipeline))
    with pytest.raises(RuntimeError), accelerate(pipeline, **EVERYTHING):
        called(pipeline, callback_on_step_end=_stop)
    assert_same(before, traces(pipeline))
    assert torch.equal(called(pipeline), plain)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reuse": "branches"}, "did you mean branch?"),
        ({"cache_point": 0}, "cache_point=0 must be at least 1"),
        ({"skip_point": 0}, "skip_point=0 must be at least 1"),
        ({"cache_point": 3, "skip_point": 2}, "make skip_point at least cache_point"),
        ({"cachepoint": 3}, "did you mean cache_point?"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    pipeline: StableDiffusionPipeline, settings: dict[str, Any], words: str
) -> None:
    before = traces(pipeline)
    with pytest.raises(UserError) as error, accelerate(pipeline, **settings):
        raise AssertionError
    assert words in str(error.value)
    assert_same(before, traces(pipeline))


def test_pipelines_that_cannot_be_are_refused(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match="choose Stable Diffusion"), accelerate(pipeline.vae, reuse="all"):
        raise AssertionError
    pipeline.unet.register_to_config(encoder_hid_dim_type="ip_image_proj")
    with pytest.raises(UserError, match="IP-Adapter"), accelerate(pipeline, reuse="all"):
        raise AssertionError


def test_the_example_runs() -> None:
    found = doctest.testmod(any_pipeline)
    assert found.attempted and not found.failed
