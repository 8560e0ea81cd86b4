"""Files about costs: the paper's FLOPs cells beside ours, and its Figure 12."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from obclip_cli.cost.paper import Cell, summary
from obclip_cli.cost.savings import figure12
from obclip_cli.report.plots import plot_savings
from obclip_cli.report.tables import write_table


def write_paper_cells(cells: list[Cell], folder: Path) -> None:
    """Write `paper_costs.csv` and `.md`."""
    rows = [asdict(cell) | {"difference": round(cell.difference, 4)} for cell in cells]
    columns = ["table", "row", "column", "paper", "ours", "difference", "as_printed", "note"]
    table = pd.DataFrame(rows)[columns].round({"ours": 3, "as_printed": 3})
    caption = (
        "The paper's FLOPs columns (arXiv 2510.04153, Tables 2, 3, 4, 5 and 7) beside our count, in T "
        f"multiply-accumulates by the paper's convention. {summary(cells)} `as_printed`: our count of what a cell "
        "turns out to be."
    )
    write_table(table, folder / "paper_costs", caption=caption)


def write_figure12(folder: Path) -> str:
    """Write `figure12.csv`, `.md` and `.png`; return the caption."""
    tables = figure12()
    caption = (
        "Figure 12: what each part saves in each step of the cloud, in G multiply-accumulates, both attention products "
        "counted; parts are added in the order of the columns. Counted on the architectures, without weights."
    )
    whole = pd.concat([table.assign(setting=name) for name, table in tables.items()], ignore_index=True)
    write_table(whole[["setting", *whole.columns.drop("setting")]].round(2), folder / "figure12", caption=caption)
    plot_savings(tables, folder / "figure12.png")
    return caption
