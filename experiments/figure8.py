"""Figure 8 (arXiv 2510.04153): a man and a woman from one noise, with and without one attention map for both.

Ours runs ObCLIP with the paper's largest k for pairs of candidates that differ in gender only. Both are finished by
the device, once from the cloud's plain steps and once from steps of which those before r use the man's (the first
candidate's) maps for both; nothing else is accelerated, so that what sharing alone does is seen.

The claim and what decides it: "reuse between opposite genders keeps the attribute" holds where the share of images
whose gender the judge reads right falls by less than 5 points. The difference is paired, image by image, with a 95 %
interval over pairs; where no reading changes, Wilson's interval of the share of pairs that change takes its place.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.config import Config
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.generate import Pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.intervals import Estimate, of_mean, of_share
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.claims import Claim, above, in_words, untested
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.redundancy import preset_point
from obclip_cli.reproduction.shared_maps import candidate_images, every_candidate
from obclip_cli.reproduction.switch_points import default_split, paper_settings
from obclip_cli.runs import read_table

TITLE = "Figure 8: attention maps shared by opposite genders"
NAME = "figure8"
PAIRS, DRAWN = 80, 5  # of 80 pairs without a change, Wilson's interval leaves less than the 5 points asked about
OWN, SHARED = "own attention maps", "maps of one for both"
MOST_LOST = -0.05
HIT = f"gender{grids.HIT}"


def overrides(pair: str) -> list[str]:
    """Portraits with a gender: two candidates each; more are counted than are drawn."""
    return [*portraits(pair, 1, limit_on_mini=PAIRS), f"dataset.limit={PAIRS}", *default_split(pair)]


def setting(config: Config) -> tuple[int, int]:
    """k and r: the paper's largest that fit the schedule.

    Raises:
        UserError: none does.
    """
    for k, preset in paper_settings(config):
        r = preset_point(config, "cache_point", k=k, preset=preset)
        if r is not None:
            return k, r
    raise UserError(f"hybrid.steps={config.hybrid.steps} is less than every switch point of the paper; use 5 or more")


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure8.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine, or the schedule is too short.
    """
    (k, r), grid = setting(config), _grid(config, folder, progress)
    pairs = (int(grid.table["place"].max()) + 1) // 2
    drawn = min(DRAWN, pairs)
    caption = (
        f"{TITLE}: the cloud runs k={k} steps on both candidates from one noise, below with one map for both before "
        f"r={r}, and the device finishes them. {drawn} of {pairs} pairs are drawn and listed; readings.csv of the run "
        f"holds all. {grids.described(config, grid)}"
    )
    title = f"{TITLE} ({config.pair.name}, k={k}, before r={r})"
    grids.write(grid, folder, NAME, title=title, caption=caption, count=2 * drawn)
    return f"{caption}\n\nOver all {pairs} pairs. {grids.right_shares(grid.table)}"


def _grid(config: Config, folder: Path, progress: ProgressBar) -> grids.Grid:
    return grids.make(config, folder, NAME, lambda pair: _images(pair, config, progress), setting(config))


def _images(pair: Pair, config: Config, progress: ProgressBar) -> grids.Images:
    k, r = setting(config)
    found = grids.hidden_dataset(config)
    method = Method(NAME, "server_first", k, timestep_shift=config.hybrid.timestep_shift)
    divided = split(config.pair, method.hybrid(config.hybrid.steps))
    sets, seeds = [candidates.prompts for candidates in found.sets], [sample.seed for sample in found.samples]
    advance = progress("candidates", 2 * sum(map(len, sets)))
    rows = {
        name: candidate_images(pair, divided, sets, seeds, shared=shared, advance=advance)
        for name, shared in ((OWN, 0), (SHARED, r))
    }
    each = every_candidate(found.samples, sets)
    samples = hide_all(each, config.privacy, grids.taxonomy_of(config)).samples
    return grids.Images(rows, samples, [sample.prompt for sample in samples])


def lost(table: pd.DataFrame) -> Estimate:
    """Share of images read right with one map for both, minus that with maps of their own; over pairs.

    Args:
        table: `readings.csv`; images 2i and 2i + 1 are a pair.
    """
    hits = {row: found.set_index("place")[HIT].astype(float) for row, found in table.groupby("row")}
    change = hits[SHARED] - hits[OWN]
    of_pairs = change.groupby(change.index // 2).mean().to_numpy()
    if not np.any(change):
        most = of_share(np.zeros(len(of_pairs))).high
        return Estimate(0.0, -most, most)
    return of_mean(of_pairs, np.random.default_rng(0))


def claims(config: Config, folder: Path) -> list[Claim]:
    """Whether the attribute survives, from `readings.csv` of the run."""
    text = "Attention maps can be shared by opposite genders without losing the gender"
    paper = "no figures to quote"
    readings = grids.run_folder(config, folder, NAME, setting(config)) / "readings.csv"
    if not readings.exists():
        return [Claim(text, "Fig. 8", paper, "", untested("no image was made"))]
    table = read_table(readings)
    if HIT not in table:
        return [Claim(text, "Fig. 8", paper, "", untested("no judge reads the gender"))]
    change = lost(table)
    shares = table.groupby("row")[HIT].mean()
    ours = f"read right {shares[OWN]:.1%} with own maps, {shares[SHARED]:.1%} with shared ones ({in_words(change)})"
    return [Claim(text, "Fig. 8", paper, ours, above(change, MOST_LOST, "change of the share read right"))]
