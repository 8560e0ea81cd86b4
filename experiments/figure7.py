"""Figure 7 (arXiv 2510.04153): what every method makes of the same prompts from the same noise.

The paper's figure is a grid of images of SDXL and KOALA. Ours holds prompts and images of the pair at hand, for every
method of its tables but HE-Diffusion, of which only figures are known.
"""

from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.evaluation.methods import Method
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.scoreboard import baseline_rows, hybrid_rows
from obclip_cli.reproduction.switch_points import default_split, paper_settings

TITLE = "Figure 7: what every method makes of the same prompts"
NAME = "figure7"
PROMPTS = 6


def overrides(pair: str) -> list[str]:
    """A few portraits with two attributes."""
    return [*portraits(pair, 2, limit_on_mini=PROMPTS), f"dataset.limit={PROMPTS}", *default_split(pair)]


def methods(config: Config) -> list[Method]:
    """The baselines, then Hybrid SD and ObCLIP with each acceleration for every k of the paper."""
    hybrids = [row.run for k, preset in paper_settings(config) for row in hybrid_rows(config, k, preset)]
    return [*[row.run for row in baseline_rows(config)], *hybrids]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure7.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine.
    """
    compared = methods(config)
    names = tuple(method.name for method in compared)
    grid = grids.make(config, folder, NAME, lambda pair: grids.by_methods(pair, config, compared, progress), names)
    caption = f"{TITLE}: one row a method, one column a prompt with its own noise. {grids.described(config, grid)}"
    grids.write(grid, folder, NAME, title=f"{TITLE} ({config.pair.name})", caption=caption)
    return f"{caption}\n\n{grids.right_shares(grid.table)}"
