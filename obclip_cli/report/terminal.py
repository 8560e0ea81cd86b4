"""Scores in a terminal: as many tables below each other as its width asks for."""

from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.table import Table

HIDDEN = ("order", "run")  # in the files only
FRAME = 3  # characters between two columns


def show_table(table: pd.DataFrame, caption: str) -> None:
    """Print scores, with half of each interval's width."""
    from obclip_cli.report.score_table import with_margins

    console = Console()
    cells = with_margins(table).drop(columns=[column for column in HIDDEN if column in table])
    text = cells.map(_cell)
    console.print(caption, highlight=False, style="italic")
    for part in _parts(text, console.width):
        shown = Table()
        for column in part.columns:
            shown.add_column(column, justify="left" if column == "method" else "right", no_wrap=True)
        for row in part.itertuples(index=False):
            shown.add_row(*row)
        console.print(shown)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def _parts(text: pd.DataFrame, width: int) -> Iterator[pd.DataFrame]:
    """The columns in groups that fit, each after the method's name."""
    widths = {column: max(len(column), *text[column].str.len()) + FRAME for column in text.columns}
    columns: list[str] = []
    for column in text.columns.drop("method"):
        if columns and 1 + widths["method"] + sum(widths[c] for c in columns) + widths[column] > width:
            yield text[["method", *columns]]
            columns = []
        columns.append(column)
    yield text[["method", *columns]]
