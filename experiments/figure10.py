"""Figure 10 (arXiv 2510.04153): the same prompts for one switch point k after the other.

Ours runs ObCLIP without caches, so that only k changes: from k = 0, the device alone, to the cloud's whole schedule.
"""

from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.evaluation.methods import Method
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.switch_points import cloud_steps, default_split

TITLE = "Figure 10: the same prompts for every switch point k"
NAME = "figure10"
PROMPTS = 6
SHARES = (0, 0.04, 0.12, 0.2, 0.4, 0.6, 0.8, 1)  # of the cloud's steps: k = 0, 1, 3, 5, 10, 15, 20, 25 of 25


def overrides(pair: str) -> list[str]:
    """A few portraits with two attributes."""
    return [*portraits(pair, 2, limit_on_mini=PROMPTS), f"dataset.limit={PROMPTS}", *default_split(pair)]


def methods(config: Config) -> list[Method]:
    """One a switch point."""
    longest, hybrid = cloud_steps(config), config.hybrid
    found = sorted({round(share * longest) for share in SHARES})
    fitting = [k for k in found if k == longest or k + hybrid.timestep_shift <= hybrid.steps]
    shift, handover = hybrid.timestep_shift, hybrid.handover
    return [Method(f"k={k}", "server_first", k, True, handover=handover, timestep_shift=shift) for k in fitting]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure10.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine.
    """
    compared = methods(config)
    names = tuple(method.name for method in compared)
    grid = grids.make(config, folder, NAME, lambda pair: grids.by_methods(pair, config, compared, progress), names)
    caption = (
        f"{TITLE}: ObCLIP without caches, the cloud runs the first k of {cloud_steps(config)} steps; one column a "
        f"prompt with its own noise. {grids.described(config, grid)}"
    )
    grids.write(grid, folder, NAME, title=f"{TITLE} ({config.pair.name})", caption=caption)
    return f"{caption}\n\n{grids.right_shares(grid.table)}"
