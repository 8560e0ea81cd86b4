"""Figure 12 (arXiv 2510.04153): what each acceleration saves in each step; and every FLOPs cell of the paper.

Counted on the architectures of the paper's models, whatever the pair: costs need no weights.
"""

from pathlib import Path

from obclip_cli import runs
from obclip_cli.benchmark import ProgressBar
from obclip_cli.config import Config
from obclip_cli.cost.paper import TABLES_COMPARED, compare, summary
from obclip_cli.report.costs import write_figure12, write_paper_cells

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
