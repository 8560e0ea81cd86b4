"""Figure 13 (arXiv 2510.04153): the way of one prompt, from what the cloud sends back to what the device makes of it.

Ours shows it for several switch points k: the latent that the cloud sends back after k steps, decoded with the noise
it still holds, which no judge is asked about; the cloud's own prediction of the clean image in that step, where its
solver keeps one; and the image that the device finishes.
"""

from dataclasses import replace
from pathlib import Path

import torch

from obclip_cli.config import Config
from obclip_cli.diffusion.denoise import State, decode, denoise, denoise_by_step
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.generate import Pair
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.switch_points import cloud_steps, default_split

TITLE = "Figure 13: what the cloud sends back at k, and what the device makes of it"
NAME = "figure13"
SHARES = (0.04, 0.12, 0.2, 0.32, 0.4, 0.6, 0.8, 1)  # of the cloud's steps: k = 1, 3, 5, 8, 10, 15, 20, 25 of 25
SENT, PREDICTED, FINISHED = "sent back by the cloud", "the cloud's prediction there", "finished by the device"


def overrides(pair: str) -> list[str]:
    """One portrait with two attributes."""
    return [*portraits(pair, 2, limit_on_mini=1), "dataset.limit=1", *default_split(pair)]


def switch_points(config: Config) -> list[int]:
    """Every k that is shown."""
    longest, hybrid = cloud_steps(config), config.hybrid
    found = {max(1, round(share * longest)) for share in SHARES}
    return sorted(k for k in found if k == longest or k + hybrid.timestep_shift <= hybrid.steps)


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure13.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine.
    """
    points = switch_points(config)
    grid = grids.make(config, folder, NAME, lambda pair: _images(pair, config, points, progress), tuple(points))
    prompt = grid.table["prompt"].iloc[0]
    shift = f", the device going on from step k + {config.hybrid.timestep_shift}" * bool(config.hybrid.timestep_shift)
    caption = (
        f'{TITLE}: "{prompt}" from one noise, one column a switch point k of {cloud_steps(config)} cloud steps{shift}; '
        f"latents are decoded as they are, with the noise they still hold. {grids.described(config, grid)}"
    )
    grids.write(grid, folder, NAME, title=f'{TITLE} ("{prompt}", {config.pair.name})', caption=caption)
    return f"{caption}\n\n{grids.right_shares(grid.table)}"


def _images(pair: Pair, config: Config, points: list[int], progress: ProgressBar) -> grids.Images:
    sample = grids.hidden_dataset(config).samples[0]
    reached = _way(pair, config, sample.prompt, sample.seed)
    advance = progress("switch points", len(points))
    rows: dict[str, list[torch.Tensor]] = {SENT: [], PREDICTED: [], FINISHED: []}
    for k in points:
        state = reached[k - 1]
        rows[SENT].append(state.latents)
        if state.history is not None:
            rows[PREDICTED].append(state.history)
        rows[FINISHED].append(_finished(pair, config, state.latents, k, sample.prompt, sample.seed))
        advance(1)
    decoded = {name: decode(pair.device, torch.cat(latents)) for name, latents in rows.items() if latents}
    pictures = {name: (images * 255).round().to(torch.uint8) for name, images in decoded.items()}
    return grids.Images(pictures, [sample] * len(points), [f"k={k}" for k in points], unread=(SENT,))


def _way(pair: Pair, config: Config, prompt: str, seed: int) -> list[State]:
    """The state after each of the cloud's steps."""
    whole = split(config.pair, replace(config.hybrid, switch_point=cloud_steps(config), timestep_shift=0)).cloud
    return list(denoise_by_step(pair.cloud, [prompt], whole, seeds=[seed]))


def _finished(pair: Pair, config: Config, latents: torch.Tensor, k: int, prompt: str, seed: int) -> torch.Tensor:
    """What the device makes of the cloud's latent."""
    stretch = split(config.pair, replace(config.hybrid, switch_point=k, handover="restart")).device
    return denoise(pair.device, [prompt], stretch, seeds=[seed], state=State(latents)).latents
