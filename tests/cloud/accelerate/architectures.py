"""Every architecture of the paper, tiny and random, and the embedded cloud: what exactness is tested on."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.diffusion.denoise import initial_noise
from obclip_cli.diffusion.models import OWN, SCHEDULERS, latent_shape, load_pipeline
from obclip_cli.diffusion.pairs import compose_pair
from obclip_cli.protocol import CloudRequest
from tests.tiny_checkpoints import tiny_pipeline_of

ARCHITECTURES = ("sd14", "bksdm-small", "bksdm-tiny", "small-sd", "sdxl", "koala-700m", "lcm-sdxl", "mini")
PROMPTS = ("a man", "a woman with dark skin", "an old man")
STEPS = 3
SEED = 1
# Other batch sizes and another order of summation round differently. One fp32 operation rounds by up to 2^-24 = 6e-8
# of its result; some hundred of them follow one another in a UNet, and their errors add up as a random walk does.
TOLERANCE = 1e-5


def pipeline_of(architecture: str) -> DiffusionPipeline:
    """The pipeline in fp32, with the solver of its pair."""
    if architecture == "mini":
        return load_pipeline(compose_pair("mini").cloud, dtype="float32", device="cpu")
    pipeline = tiny_pipeline_of(architecture, seed=1)
    solver = "lcm" if architecture.startswith("lcm") else "dpm_solver"
    pipeline.scheduler = SCHEDULERS[solver].from_config(pipeline.scheduler.config, **OWN.get(solver, {}))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def denoised(
    pipeline: DiffusionPipeline,
    cache: CacheConfig = NO_ACCELERATION,
    *,
    prompts: Sequence[str] = PROMPTS,
    guidance: float = 3.0,
    seed: int = SEED,
    start: torch.Tensor | None = None,
    steps: int = STEPS,
    batch: int = 30,
) -> torch.Tensor:
    """The cloud's latents (N, c, h, w) after all steps; from `start` (1, c, h, w) if it is given."""
    request = CloudRequest(tuple(prompts), steps, 0, steps, guidance, seed, latents=start)
    return CloudServer(pipeline, batch=batch, cache=cache).denoise(request).latents


@torch.no_grad()
def stock_prompts(pipeline: DiffusionPipeline, prompts: Sequence[str]) -> dict[str, Any]:
    """Prompts for diffusers' own call, by its own encoder, the empty one encoded once.

    Text encoders of the usual widths give the same bits for any batch, tiny ones round by its size.
    """
    how: dict[str, Any] = {"device": pipeline.device, "num_images_per_prompt": 1}
    given = pipeline.encode_prompt(list(prompts), do_classifier_free_guidance=False, **how)[::2]
    empty = pipeline.encode_prompt(prompts[0], do_classifier_free_guidance=True, **how)[1::2]
    names = ("prompt_embeds", "pooled_prompt_embeds")
    repeated = [part.repeat(len(prompts), *[1] * (part.ndim - 1)) for part in empty]
    negative = {f"negative_{name}": part for name, part in zip(names, repeated, strict=False)}
    return dict(zip(names, given, strict=False)) | ({} if pipeline.unet.config.time_cond_proj_dim else negative)


def noise_of(pipeline: DiffusionPipeline) -> torch.Tensor:
    """z_T of one sample, (1, c, h, w)."""
    return initial_noise(pipeline, latent_shape(pipeline), SEED)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest expected value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()
