"""Run a stretch of denoising steps with classifier-free guidance, as the stock diffusers pipeline does."""

import copy
from collections.abc import Callable, Iterator

import torch
from diffusers import StableDiffusionPipeline

BeforeStep = Callable[[int], None]


def initial_noise(pipeline: StableDiffusionPipeline, shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    """z_T of one sample, (1, c, h, w), from a generator of its own, so that batches never change it."""
    noise = torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed), dtype=pipeline.unet.dtype)
    return noise.to(pipeline.device) * pipeline.scheduler.init_noise_sigma


@torch.no_grad()
def encode_prompts(pipeline: StableDiffusionPipeline, prompts: list[str], guidance_scale: float) -> torch.Tensor:
    """Prompt embeddings (2n, tokens, width): unconditional rows first; (n, ...) when guidance is off."""
    guided = guidance_scale > 1
    conditional, unconditional = pipeline.encode_prompt(prompts, pipeline.device, 1, guided)
    return torch.cat([unconditional, conditional]) if guided else conditional


def run_steps(
    pipeline: StableDiffusionPipeline,
    latents: torch.Tensor,
    prompt_embeds: torch.Tensor,
    *,
    steps: int,
    start: int,
    stop: int,
    guidance_scale: float,
    before_step: BeforeStep | None = None,
) -> torch.Tensor:
    """Denoising steps start..stop-1 of a schedule of `steps`, with a solver that starts afresh.

    Args:
        latents: (n, c, h, w) at the noise level of step `start`.
        prompt_embeds: (2n, tokens, width), or (n, ...) without guidance.
        before_step: told each step's position, counted from 0 at `start`, before the model runs.

    Returns:
        latents (n, c, h, w) at the noise level of step `stop`; after the last step, the clean latents.
    """
    path = trajectory(
        pipeline,
        latents,
        prompt_embeds,
        steps=steps,
        start=start,
        stop=stop,
        guidance_scale=guidance_scale,
        before_step=before_step,
    )
    for reached in path:
        latents = reached
    return latents


@torch.no_grad()
def trajectory(
    pipeline: StableDiffusionPipeline,
    latents: torch.Tensor,
    prompt_embeds: torch.Tensor,
    *,
    steps: int,
    start: int,
    stop: int,
    guidance_scale: float,
    before_step: BeforeStep | None = None,
) -> Iterator[torch.Tensor]:
    """The latents after each of the steps start..stop-1; arguments as in `run_steps`.

    A step depends on what came before it only, so the latents after k steps are the same whatever `stop` is.
    """
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(steps, device=latents.device)
    scheduler.set_begin_index(start)
    guided = prompt_embeds.shape[0] == 2 * latents.shape[0]
    for position, timestep in enumerate(scheduler.timesteps[start:stop]):
        if before_step is not None:
            before_step(position)
        rows = torch.cat([latents] * 2) if guided else latents
        rows = scheduler.scale_model_input(rows, timestep)
        noise = pipeline.unet(rows, timestep, encoder_hidden_states=prompt_embeds, return_dict=False)[0]
        if guided:
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + guidance_scale * (conditional - unconditional)
        latents = scheduler.step(noise, timestep, latents, return_dict=False)[0]
        yield latents


@torch.no_grad()
def decode(pipeline: StableDiffusionPipeline, latents: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, H, W) in [0, 1], on the CPU, from latents (n, c, h, w)."""
    images = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor, return_dict=False)[0]
    return (images / 2 + 0.5).clamp(0, 1).float().cpu()
