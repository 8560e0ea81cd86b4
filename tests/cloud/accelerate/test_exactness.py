"""On every architecture: the stock pipeline bit for bit where nothing is on, and no change where there must be none."""

from dataclasses import replace

import pytest
import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.config import NO_ACCELERATION as OFF
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from tests.cloud.accelerate.architectures import (
    ARCHITECTURES,
    PROMPTS,
    SEED,
    STEPS,
    TOLERANCE,
    denoised,
    difference,
    noise_of,
    pipeline_of,
    stock_prompts,
)

EVERYTHING = CacheConfig(reuse="all", cache_point=1, skip_point=2)
EQUAL = (PROMPTS[1],) * 3


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def pipeline(architecture: str) -> DiffusionPipeline:
    return pipeline_of(architecture)


@pytest.fixture(scope="module", params=[1.0, 3.0], ids=["without guidance", "guided"])
def guidance(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture(scope="module")
def plain(pipeline: DiffusionPipeline, guidance: float) -> torch.Tensor:
    return denoised(pipeline, guidance=guidance)


@pytest.fixture(scope="module")
def coarse(architecture: str) -> DiffusionPipeline:
    """The pipeline in bf16."""
    return pipeline_of(architecture).to(torch.bfloat16)


def stock(pipeline: DiffusionPipeline, guidance: float) -> torch.Tensor:
    """What diffusers' own loop makes of the prompts; SDXL's sizes and LCM's guidance embedding come from there."""
    return pipeline(
        **stock_prompts(pipeline, PROMPTS),
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(SEED) for _ in PROMPTS],
        output_type="latent",
    ).images


def test_without_accelerations_it_is_the_stock_pipeline(
    pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor
) -> None:
    assert torch.equal(plain, stock(pipeline, guidance))


def test_points_at_the_switch_point_or_later_are_off(
    pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor
) -> None:
    late = replace(OFF, cache_point=STEPS, skip_point=STEPS + 2, fresh_conv_in=False)
    assert torch.equal(denoised(pipeline, late, guidance=guidance), plain)


def test_equal_prompts_with_a_pivot_a_branch_are_no_reuse(pipeline: DiffusionPipeline, guidance: float) -> None:
    shared = denoised(pipeline, replace(OFF, reuse="branch"), prompts=EQUAL, guidance=guidance)
    assert difference(shared, denoised(pipeline, prompts=EQUAL, guidance=guidance)) < TOLERANCE


def test_different_prompts_with_a_pivot_a_branch_are_reuse(
    pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor
) -> None:
    """What the tolerance above must not hide is more than ten times as large."""
    shared = denoised(pipeline, replace(OFF, reuse="branch"), guidance=guidance)
    assert difference(shared, plain) > 10 * TOLERANCE


def test_the_shared_first_step_changes_nothing(
    pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor
) -> None:
    """And it does share: the unconditional rows go through the model as one."""
    rows = []
    watching = pipeline.unet.conv_out.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    try:
        shared = denoised(pipeline, CacheConfig(), guidance=guidance)
    finally:
        watching.remove()
    guided = guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
    first, later = (1 + len(PROMPTS), 2 * len(PROMPTS)) if guided else (len(PROMPTS), len(PROMPTS))
    assert rows == [first] + [later] * (STEPS - 1)
    assert difference(shared, plain) < TOLERANCE


def assert_repeats_itself_and_leaves_nothing(pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor) -> None:
    """Two accelerated runs are equal, and not by doing nothing; processors, `forward`s, weights are then as before."""
    unet = pipeline.unet
    processors, weights = dict(unet.attn_processors), list(unet.state_dict())
    first, again = (denoised(pipeline, EVERYTHING, guidance=guidance) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, plain)
    assert all(found is processors[name] for name, found in unet.attn_processors.items())
    assert list(unet.state_dict()) == weights
    assert not any("forward" in vars(module) for module in unet.modules())
    assert torch.equal(denoised(pipeline, guidance=guidance), plain)


def test_two_runs_are_equal_and_leave_the_model_as_it_was(
    pipeline: DiffusionPipeline, guidance: float, plain: torch.Tensor
) -> None:
    assert_repeats_itself_and_leaves_nothing(pipeline, guidance, plain)
    assert not torch.equal(denoised(pipeline, guidance=guidance, seed=SEED + 1), plain)


def test_the_guidance_scale_reaches_the_model(pipeline: DiffusionPipeline) -> None:
    """As two branches or, in LCM, as an embedding."""
    weak, strong = (denoised(pipeline, guidance=scale) for scale in (2.0, 8.0))
    assert difference(weak, strong) > 10 * TOLERANCE


def test_in_bf16_what_is_bit_equal_is_so_too(coarse: DiffusionPipeline) -> None:
    plain = denoised(coarse)
    assert plain.dtype == torch.bfloat16
    assert torch.equal(plain, stock(coarse, 3.0))
    assert torch.equal(denoised(coarse, replace(OFF, cache_point=STEPS, skip_point=STEPS)), plain)
    assert_repeats_itself_and_leaves_nothing(coarse, 3.0, plain)


@pytest.mark.parametrize(
    ("cache", "prompts"),
    [(replace(OFF, reuse="branch"), EQUAL), (CacheConfig(), PROMPTS)],
    ids=["equal prompts, a pivot a branch", "shared first step"],
)
def test_in_bf16_what_is_exact_rounds_no_worse_than_the_stock_code(cache: CacheConfig, prompts: tuple[str]) -> None:
    """No useful bound follows from 8 binary digits and the number of operations. But the accelerated and the plain
    result are roundings of one exact result; where the first rounds no worse than the second, which lies some way from
    fp32 on the same weights, the two lie at most twice that way apart. Only on trained weights is reuse a larger effect
    than this, so random ones would show nothing.
    """
    coarse, fine = (pipeline_of("mini").to(torch.bfloat16) for _ in range(2))
    fine, start = fine.to(torch.float32), noise_of(coarse)
    plain = denoised(coarse, prompts=prompts, start=start).float()
    rounding = difference(plain, denoised(fine, prompts=prompts, start=start.float()))
    exact = denoised(coarse, cache, prompts=prompts, start=start).float()
    assert difference(exact, plain) <= 2 * rounding
    different = (
        denoised(coarse, start=start).float(),
        denoised(coarse, replace(OFF, reuse="branch"), start=start).float(),
    )
    assert difference(*different) > 4 * rounding


def test_unconditional_rows_that_differ_by_rounding_are_still_one() -> None:
    """A text encoder rounds the rows of one batch differently, which once kept the first step from being shared."""
    unet = pipeline_of("bksdm-tiny").unet
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(1, 4, 16, 16, generator=generator).expand(4, -1, -1, -1)
    embeds = torch.randn(4, 3, unet.config.cross_attention_dim, generator=generator)
    embeds[1] = embeds[0] * (1 + 2e-7)
    rows = []
    unet.conv_out.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    with torch.no_grad(), attached(unet, accelerations(CacheConfig()), StepContext(unconditional=2, conditional=2)):
        unet(sample, 5, encoder_hidden_states=embeds)
    assert rows == [3]
