"""Table 6 (arXiv 2510.04153): quality on the candidate-prompt dataset with three sensitive attributes, N = 30.

Rules as for Table 2. "As well as with fewer candidates": FID's rise over cloud-only is at N = 30 higher than at the
larger N of Table 2 by less than a fifth of the gap between device-only and cloud-only; the two come from different
prompts, so their variances add. It needs Table 2 in the same folder.
"""

from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.evaluation.contrasts import combined, difference
from obclip_cli.metrics.intervals import NORMAL_QUANTILE, Estimate, of_spread
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.beside import paper_table
from obclip_cli.reproduction.claims import Claim, Verdict, all_of, below, in_words, untested
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.portraits_table import (
    PAPER_CANDIDATES,
    measure_portraits,
    planned_portraits,
    write_portraits,
)
from obclip_cli.reproduction.quality_claims import (
    UNSCORED,
    acceleration_is_cheap,
    better_than_device,
    cheaper_than_vanilla,
    hiding_is_free,
    ours,
)
from obclip_cli.reproduction.quality_table import Block, read_blocks
from obclip_cli.reproduction.scoreboard import CACHE, REUSE, what_is_missing
from obclip_cli.reproduction.switch_points import default_split
from obclip_cli.reproduction.verdicts import CLOUD, DEVICE, LITTLE

TITLE = "Table 6: quality with three sensitive attributes"
SOURCE = "Table 6"
NOTE = (
    "The paper prints no costs for N=30: cloud_share_counted_paper, by which its panel is drawn, is our count of its "
    "rows on SD-v1.4's architecture. HE-Diffusion's row stands in its Table 2."
)
ATTRIBUTES = 3


def overrides(pair: str) -> list[str]:
    """Templates with three attributes; shared maps run all 30 candidates of each prompt."""
    return [*portraits(pair, ATTRIBUTES, limit_on_mini=30), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """One run."""
    return [planned_portraits(config, ATTRIBUTES)]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `table6.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show."""
    measured = [measure_portraits(config, ATTRIBUTES, 6, folder, progress)]
    return write_portraits(config, measured, 6, folder, title=TITLE, note=NOTE)


def claims(config: Config, folder: Path) -> list[Claim]:
    """The sentences of Table 2 at N = 30, and that so many candidates work as well as fewer."""
    blocks = read_blocks(folder / "table6")
    beside = read_blocks(folder / "table2")[-1:] if (folder / "table2.csv").exists() else []
    smaller = next((block for block in beside if f"-{config.pair.name}" in block.run.name), None)
    return [
        hiding_is_free(config, blocks, SOURCE),
        *(acceleration_is_cheap(config, blocks, acceleration, SOURCE) for acceleration in (CACHE, REUSE)),
        better_than_device(config, blocks, REUSE, SOURCE),
        cheaper_than_vanilla(blocks, REUSE, SOURCE, "cloud_share"),
        as_well_as_fewer(config, smaller, blocks[0]),
    ]


def as_well_as_fewer(config: Config, smaller: Block | None, larger: Block) -> Claim:
    """FID's rise over cloud-only with all accelerations, at N = 30 against the larger N of Table 2."""
    words = "N = 30 works as well as N = 6: FID stays as near to cloud-only's."
    paper = "; ".join(_paper_rises(k) for k in larger.switch_points)
    if smaller is None:
        return Claim(words, SOURCE, paper, "", untested("Table 2 has not been measured beside it"))
    if not (smaller.is_scored and larger.is_scored):
        return Claim(words, SOURCE, paper, "", untested(what_is_missing(config) or UNSCORED))
    shown = "; ".join(
        f"{block.label}, k={k}: {in_words(difference(block.run, 'fid', ours(k, REUSE), CLOUD))}"
        for k in larger.switch_points
        for block in (smaller, larger)
    )
    return Claim(words, SOURCE, paper, shown, all_of([_as_well(smaller, larger, k) for k in larger.switch_points]))


def _as_well(smaller: Block, larger: Block, k: int) -> Verdict:
    gap = difference(larger.run, "fid", DEVICE, CLOUD)
    if gap.low <= 0:
        return untested(f"k={k}: the gap between both ends, FID {in_words(gap)}, cannot be told from 0")
    name = ours(k, REUSE)
    weights = {name: 1.0, CLOUD: LITTLE - 1.0, DEVICE: -LITTLE}
    left = independent(combined(larger.run, "fid", weights), difference(smaller.run, "fid", name, CLOUD))
    return below(left, 0.0, f"k={k}: FID's rise beyond that at {smaller.label}, less {LITTLE:.0%} of the gap,")


def independent(estimate: Estimate, less: Estimate) -> Estimate:
    """A difference of estimates from different prompts."""
    spreads = [(each.high - each.low) / (2 * NORMAL_QUANTILE) for each in (estimate, less)]
    return of_spread(estimate.value - less.value, (spreads[0] ** 2 + spreads[1] ** 2) ** 0.5)


def _paper_rises(k: int) -> str:
    """The paper's FID above its cloud-only, with all accelerations."""
    rises = []
    for number, candidates in ((2, PAPER_CANDIDATES[2]), (6, PAPER_CANDIDATES[3])):
        rows = paper_table(number)
        rows = rows[rows["N"] == candidates]
        cloud = rows.loc[rows["method"] == CLOUD, "fid"].iloc[0]
        reached = rows.loc[(rows["k"] == k) & (rows["acceleration"] == REUSE), "fid"].iloc[0]
        rises.append(f"N={candidates}, k={k}: {reached - cloud:+.2f}")
    return "; ".join(rises)
