"""Figure 12 (arXiv 2510.04153): what each acceleration saves in each step; and every FLOPs cell of the paper.

What decides the claims; all is counted, so there are no intervals: every cell is within 1 % of our count of what its
row and column say; or of what it turns out to be, where the paper's own other cells show that it is labelled wrongly;
and six candidates at k = 5 with cache and reuse cost the cloud less than one image of cloud-only (Table 7).
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.reproduction.paper_costs import COUNTED, TOLERANCE, cells_of, summary, write_figure12, write_paper_cells
from obclip_cli.runs import read_table

SIX, ONE = "sd-v1.4+bk-sdm-small ObCLIP+cache+reuse k=5 N=6", "sd-v1.4+bk-sdm-small cloud-only k=5 N=6"


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure12.*` and `paper_costs.*` and the run behind them; return the caption."""
    run, cells, advance = folder / "runs" / "paper-costs", [], progress("costs", len(COUNTED))
    for number in COUNTED:
        cells += cells_of(number)
        advance(1)
    if not (counted := runs.is_finished(run, config)):
        runs.start(run, config)
    for place in (run, folder):
        write_paper_cells(cells, place)
        caption = write_figure12(place)
    if not counted:
        runs.mark_finished(run, config)
    compared = f"The paper's FLOPs columns beside ours: {summary(cells)} Table: [paper_costs.md](paper_costs.md)"
    return f"{caption} {compared} Run: runs/{run.name}."


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, from `paper_costs.csv`."""
    cells = read_table(folder / "paper_costs.csv")
    off = cells[cells["difference"].abs() > TOLERANCE]
    followed = (off["as_printed"] - off["paper"]).abs() / off["paper"] <= TOLERANCE
    labelled = f"The FLOPs columns are multiply-accumulates as labelled, within {TOLERANCE:.0%}."
    resolved = "The same, where cells that another cell shows to be mislabelled are read as what they are."
    six, one = (cells.set_index("row").loc[name] for name in (SIX, ONE))
    cheaper = Claim(
        "At k = 5, with both accelerations, six candidates cost the cloud less than one image made by it alone.",
        "Table 7 (SD-v1.4, N = 6)",
        f"{six['paper']} T against {one['paper']} T",
        f"{six['ours']:.2f} T against {one['ours']:.2f} T",
        exactly(bool(six["ours"] < one["ours"]), f"counted: {six['ours'] / one['ours']:.1%} of cloud-only"),
    )
    return [_agreement(labelled, len(cells), off), _agreement(resolved, len(cells), off[~followed]), cheaper]


def _agreement(says: str, count: int, wrong: pd.DataFrame) -> Claim:
    why = f"{len(wrong)} cells are off by more than {TOLERANCE:.0%}: {'; '.join(wrong['row'])}"
    ours = f"{count - len(wrong)} of {count} agree"
    return Claim(says, "Tables 2, 3, 4, 5 and 7", f"{count} cells", ours, exactly(wrong.empty, why))
