"""All candidates of a prompt as images, with and without shared attention maps and nothing else changed.

`cache.reuse` of the configuration comes with the attention cache after r; here the two are apart, so that what
sharing alone does can be seen (arXiv 2510.04153, Algorithm 2).
"""

from dataclasses import replace

import torch

from obclip_cli.cloud.accelerate import attached
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention
from obclip_cli.cloud.accelerate.position import Position
from obclip_cli.data import Sample
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import State, decode, initial_noise, run_steps
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.diffusion.schedule import Split
from obclip_cli.evaluation import Pair
from obclip_cli.work import DECODED


def candidate_images(pair: Pair, divided: Split, prompts: list[str], seed: int, *, shared: int) -> torch.Tensor:
    """One uint8 image a candidate, (N, 3, H, W), all from one z_T: the cloud's steps, then the device's.

    Args:
        divided: which side runs which steps.
        shared: the first so many steps of the cloud use the first candidate's attention maps for all rows.
    """
    cloud, seeds = pair.cloud, [seed] * len(prompts)
    conditioning = encode_prompts(cloud, prompts, divided.cloud.guidance_scale)
    position = Position(unconditional=len(prompts) if conditioning.guided else 0, conditional=len(prompts))

    def before_step(step: int) -> None:
        position.step = step

    state = State.together([State(initial_noise(cloud, latent_shape(cloud), seed))] * len(prompts))
    sharing = [PivotAttention(stop=shared)] if shared else []
    with attached(cloud.unet, sharing, position):
        state = run_steps(cloud, state, conditioning, divided.cloud, noise_seeds=seeds, before_step=before_step)
    if divided.device_steps:
        own = encode_prompts(pair.device, prompts, divided.device.guidance_scale)
        state = run_steps(pair.device, State(state.latents), own, divided.device, noise_seeds=seeds)
    parts = [decode(pair.device, part) for part in state.latents.split(DECODED)]
    return (torch.cat(parts) * 255).round().to(torch.uint8)


def every_candidate(samples: list[Sample], sets: list[tuple[str, ...]]) -> list[Sample]:
    """Each candidate of each set as a prompt of its own, from its set's noise; its labels are to be read from it."""
    return [
        replace(sample, prompt=prompt, labels={})
        for sample, prompts in zip(samples, sets, strict=True)
        for prompt in prompts
    ]
