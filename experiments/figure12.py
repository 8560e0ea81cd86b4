"""Figure 12 (arXiv 2510.04153): what each acceleration saves in each step; and every FLOPs cell of the paper.

Counted on the architectures of the paper's models, whatever the pair: costs need no weights.
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.reproduction.paper_costs import (
    TABLES_COMPARED,
    TOLERANCE,
    compare,
    summary,
    write_figure12,
    write_paper_cells,
)

TITLE = "Figure 12: what each step of the cloud costs"


def overrides(pair: str) -> list[str]:
    """None: costs do not depend on data."""
    return []


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure12.*` and `paper_costs.*` and the run behind them; return what they show."""
    run_folder = folder / "runs" / "paper-costs"
    advance = progress("costs", TABLES_COMPARED)
    cells = compare(after_table=lambda: advance(1))
    runs.start(run_folder, config)
    for place in (run_folder, folder):
        write_paper_cells(cells, place)
        caption = write_figure12(place)
    return (
        f"{caption} Run: runs/{run_folder.name}.\n\nThe paper's FLOPs columns beside ours: {summary(cells)} "
        "Table: [paper_costs.md](paper_costs.md)"
    )


def claims(config: Config, folder: Path) -> list[Claim]:
    """What the paper's FLOPs columns say; counted, so no interval decides.

    * Every cell is within 1 % of our count of what its row and column say; or of what it turns out to be, where the
      paper's own other cells show that it is labelled wrongly.
    * Six candidates at k = 5 with cache and reuse cost the cloud less than one image of cloud-only (Table 7).
    """
    cells = pd.read_csv(folder / "paper_costs.csv")
    return [_claim_of_cells(cells), _claim_of_printed_cells(cells), _claim_of_six(cells)]


def _claim_of_cells(cells: pd.DataFrame) -> Claim:
    off = cells[cells["difference"].abs() > TOLERANCE]
    tables = ", ".join(f"{count} of Table {number}" for number, count in off["table"].value_counts(sort=False).items())
    return Claim(
        f"The FLOPs columns are multiply-accumulates as labelled, within {TOLERANCE:.0%}.",
        "Tables 2, 3, 4, 5 and 7",
        f"{len(cells)} cells",
        f"{len(cells) - len(off)} of {len(cells)} agree; off by up to {off['difference'].abs().max():.0%}: {tables}"
        if len(off)
        else f"all {len(cells)} agree",
        exactly(off.empty, f"{len(off)} of {len(cells)} cells are off by more than {TOLERANCE:.0%}"),
    )


def _claim_of_printed_cells(cells: pd.DataFrame) -> Claim:
    """The same, with the paper's own slips followed."""
    followed = (cells["as_printed"] - cells["paper"]).abs() / cells["paper"] <= TOLERANCE
    off = cells[(cells["difference"].abs() > TOLERANCE) & ~followed]
    return Claim(
        "The same, where cells that another cell of the paper shows to be mislabelled are read as what they are.",
        "Tables 2, 3, 4, 5 and 7",
        f"{len(cells)} cells",
        f"{len(cells) - len(off)} of {len(cells)} agree",
        exactly(off.empty, f"{len(off)} of {len(cells)} cells contradict other cells: {'; '.join(off['row'])}"),
    )


def _claim_of_six(cells: pd.DataFrame) -> Claim:
    pair, setting = "sd-v1.4+bk-sdm-small", "k=5 N=6"
    of = cells[cells["table"] == 7].set_index("row")
    six, one = (of.loc[f"{pair} {name} {setting}"] for name in ("ObCLIP+cache+reuse", "cloud-only"))
    return Claim(
        "At k = 5, with both accelerations, all six candidates cost the cloud less than one image made by it alone.",
        "Table 7 (SD-v1.4, N = 6)",
        f"{six['paper']} T against {one['paper']} T",
        f"{six['ours']:.2f} T against {one['ours']:.2f} T",
        exactly(bool(six["ours"] < one["ours"]), f"counted: {six['ours'] / one['ours']:.1%} of cloud-only"),
    )
