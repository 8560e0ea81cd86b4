"""All candidates of a prompt as images, with and without shared attention maps and nothing else changed.

`cache.reuse` of the configuration comes with the attention cache after r; here the two are apart, so that what
sharing alone does can be seen (arXiv 2510.04153, Algorithm 2).
"""

from dataclasses import replace
from itertools import accumulate

import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.accelerate import attached
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention, slices
from obclip_cli.data import Sample
from obclip_cli.diffusion.denoise import State, StepContext, Stretch, decode, denoise
from obclip_cli.diffusion.schedule import Split
from obclip_cli.evaluation.generate import DECODED, Pair, Progress, samples_at_once


def candidate_images(
    pair: Pair, divided: Split, sets: list[tuple[str, ...]], seeds: list[int], *, shared: int, advance: Progress
) -> torch.Tensor:
    """One uint8 image a candidate, set by set, (n, 3, H, W): the cloud's steps, then the device's.

    Args:
        divided: which side runs which steps.
        seeds: of each set's z_T.
        shared: the first so many steps of the cloud use the first candidate's attention maps for its whole set.
        advance: told how many candidates the cloud has finished.
    """
    prompts = [prompt for candidates in sets for prompt in candidates]
    noise = [seed for seed, candidates in zip(seeds, sets, strict=True) for _ in candidates]
    reached = []
    # Rows that share maps are one set's; without sharing, rows of several sets run together.
    for rows in _rows_of(sets) if shared else slices(len(prompts), samples_at_once(pair)):
        reached.append(_cloud_steps(pair.cloud, divided.cloud, prompts[rows], noise[rows], shared=shared))
        advance(len(prompts[rows]))
    latents = torch.cat(reached)
    parts = []
    for rows in slices(len(prompts), DECODED):
        sent = State(latents[rows])
        finished = denoise(pair.device, prompts[rows], divided.device, seeds=noise[rows], state=sent)
        parts.append(decode(pair.device, finished.latents))
    return (torch.cat(parts) * 255).round().to(torch.uint8)


def _rows_of(sets: list[tuple[str, ...]]) -> list[slice]:
    ends = list(accumulate(len(candidates) for candidates in sets))
    return [slice(end - len(candidates), end) for end, candidates in zip(ends, sets, strict=True)]


def _cloud_steps(
    cloud: DiffusionPipeline, stretch: Stretch, prompts: list[str], seeds: list[int], *, shared: int
) -> torch.Tensor:
    """Latents (n, c, h, w) after the cloud's steps."""
    context = StepContext()
    with attached(cloud.unet, [PivotAttention(stop=shared)] if shared else [], context):
        return denoise(cloud, prompts, stretch, seeds=seeds, context=context).latents


def every_candidate(samples: list[Sample], sets: list[tuple[str, ...]]) -> list[Sample]:
    """Each candidate of each set as a prompt of its own, from its set's noise; its labels are to be read from it."""
    return [
        replace(sample, prompt=prompt, labels={})
        for sample, prompts in zip(samples, sets, strict=True)
        for prompt in prompts
    ]
