"""Figure 13 (arXiv 2510.04153): the way of one prompt, from what the cloud sends back to what the device makes of it.

For several switch points k: the latent that the cloud sends back after k steps, decoded with the noise it still holds,
which no judge is asked about; the cloud's own prediction of the clean image in that step, where its solver keeps one;
and the image that the device finishes.
"""

from dataclasses import replace
from pathlib import Path

import torch

from obclip_cli.config import Config
from obclip_cli.diffusion.denoise import State, decode, denoise, denoise_by_step
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.evaluation.generate import Pair
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids

SENT, PREDICTED, FINISHED = "sent back by the cloud", "the cloud's prediction there", "finished by the device"


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the grid and the run behind it; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    points = switch_points(config)
    return grids.draw(config, folder, lambda pair: _images(pair, config, points, progress), points)


def switch_points(config: Config) -> list[int]:
    """Every k that is shown: shares of the cloud's steps after which the device's schedule has a step."""
    whole, hybrid = config.cloud_steps, config.hybrid
    found = {max(1, round(share * whole)) for share in settings_of(config)["shares"]}
    return sorted(k for k in found if k == whole or k + hybrid.timestep_shift <= hybrid.steps)


def _images(pair: Pair, config: Config, points: list[int], progress: ProgressBar) -> grids.Images:
    sample = grids.hidden_samples(config).samples[0]
    prompts, seeds = [sample.prompt], [sample.seed]
    whole = split(config.pair, replace(config.hybrid, switch_point=config.cloud_steps)).cloud
    reached = list(denoise_by_step(pair.cloud, prompts, whole, seeds=seeds))
    advance = progress("switch points", len(points))
    rows: dict[str, list[torch.Tensor]] = {SENT: [], PREDICTED: [], FINISHED: []}
    for k in points:
        state = reached[k - 1]
        rest = split(config.pair, replace(config.hybrid, switch_point=k, handover="restart")).device
        rows[SENT].append(state.latents)
        if state.history is not None:
            rows[PREDICTED].append(state.history)
        finished = denoise(pair.device, prompts, rest, seeds=seeds, state=State(state.latents))
        rows[FINISHED].append(finished.latents)
        advance(1)
    decoded = {name: decode(pair.device, torch.cat(latents)) for name, latents in rows.items() if latents}
    pictures = {name: (images * 255).round().to(torch.uint8) for name, images in decoded.items()}
    return grids.Images(pictures, [sample] * len(points), [f"k={k}" for k in points], unread=(SENT,))
