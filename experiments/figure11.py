"""Figure 11 (arXiv 2510.04153): all candidates of one prompt, finished by the cloud's model.

Ours runs the whole schedule on the cloud three times: each candidate with its own attention maps, with the first
candidate's maps before r, the paper's setting for reuse, and with them in every step, which the paper does not do.
"""

from dataclasses import replace
from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.generate import Pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.redundancy import points
from obclip_cli.reproduction.shared_maps import candidate_images, every_candidate
from obclip_cli.reproduction.switch_points import cloud_steps, default_split

TITLE = "Figure 11: all candidates of one prompt, finished by the cloud"
NAME = "figure11"


def overrides(pair: str) -> list[str]:
    """One portrait with two attributes: N = 10 on `mini`."""
    return [*portraits(pair, 2, limit_on_mini=1), "dataset.limit=1", *default_split(pair)]


def shared_steps(config: Config) -> dict[str, int]:
    """Row -> in how many of the first steps the first candidate's maps serve all."""
    reuse = {f"first candidate's maps before r={r}": r for r in list(points(config, "cache_point"))[-1:]}
    return {"own attention maps": 0, **reuse, "first candidate's maps in every step": cloud_steps(config)}


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure11.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine.
    """
    rows = shared_steps(config)
    grid = grids.make(config, folder, NAME, lambda pair: _images(pair, config, rows, progress), tuple(rows))
    caption = (
        f"{TITLE}: one column a candidate, all from one noise; the {cloud_steps(config)} steps are the cloud's, with "
        f"guidance. {grids.described(config, grid)}"
    )
    grids.write(grid, folder, NAME, title=f"{TITLE} ({config.pair.name})", caption=caption)
    return f"{caption}\n\n{grids.right_shares(grid.table)}"


def _images(pair: Pair, config: Config, rows: dict[str, int], progress: ProgressBar) -> grids.Images:
    found = grids.hidden_dataset(config)
    sets, seeds = [found.sets[0].prompts], [found.samples[0].seed]
    whole = split(config.pair, replace(config.hybrid, switch_point=cloud_steps(config), timestep_shift=0))
    advance = progress("candidates", len(rows) * len(sets[0]))
    made = {
        name: candidate_images(pair, whole, sets, seeds, shared=shared, advance=advance)
        for name, shared in rows.items()
    }
    samples = every_candidate(found.samples[:1], sets)
    labelled = hide_all(samples, config.privacy, grids.taxonomy_of(config)).samples
    return grids.Images(made, labelled, list(sets[0]))
