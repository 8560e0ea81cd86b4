"""Tables as CSV for programs, Markdown for people and LaTeX for papers, and in a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from obclip_cli.runs import write_text

ENDS = ("_low", "_high")
HIDDEN = ("order", "run")  # not shown in a terminal
FRAME = 3  # characters between two columns


def write_table(table: pd.DataFrame, stem: Path, *, caption: str, whole: pd.DataFrame | None = None) -> None:
    """Write `stem.csv`, and `stem.md` and `stem.tex` with scores and intervals in one cell; missing cells are empty.

    Args:
        whole: what the CSV holds where it is not the table that people are shown.
    """
    write_text(stem.with_suffix(".csv"), (table if whole is None else whole).to_csv(index=False))
    shown = with_intervals(table)
    shown = shown.astype(object).where(shown.notna(), "")
    write_text(stem.with_suffix(".md"), f"{caption}\n\n{shown.to_markdown(index=False)}\n")
    write_text(stem.with_suffix(".tex"), _latex(shown, caption))


def _latex(table: pd.DataFrame, caption: str) -> str:
    """A booktabs table; source: pandas.io.formats.style.Styler.to_latex."""
    styler = table.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    escaped = caption.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
    return str(styler.to_latex(hrules=True, caption=escaped, position_float="centering"))


def measured(table: pd.DataFrame) -> list[str]:
    """The scores of a table, which are the columns that have intervals."""
    return [column for column in table.columns if f"{column}_low" in table.columns]


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """`fid`, `fid_low`, `fid_high` as one column "12.3 [11.9, 12.8]"; scores without any value are left out.

    Args:
        table: `scores.csv` of a run, or several of them below each other.
    """
    return _joined(table, lambda value, low, high: f"{value:.4g} [{low:.4g}, {high:.4g}]")


def with_margins(table: pd.DataFrame) -> pd.DataFrame:
    """The same as "12.3 ±0.5", half of the interval's width, for terminals."""
    return _joined(table, lambda value, low, high: f"{value:.4g} ±{(high - low) / 2:.2g}")


def _joined(table: pd.DataFrame, cell: Callable[[float, float, float], str]) -> pd.DataFrame:
    shown = table.drop(columns=[c for c in table.columns if c.endswith(ENDS) and c.rpartition("_")[0] in table])
    for score in measured(table):
        if table[score].isna().all():
            shown = shown.drop(columns=score)
            continue
        parts = zip(table[score], table[f"{score}_low"], table[f"{score}_high"], strict=True)
        shown[score] = [
            "" if pd.isna(v) else f"{v:.4g}" if pd.isna(lo) or lo == hi else cell(v, lo, hi) for v, lo, hi in parts
        ]
    return shown


def show_table(table: pd.DataFrame, caption: str) -> None:
    """Print a score table with half of each interval's width."""
    cells = with_margins(table).drop(columns=[column for column in HIDDEN if column in table]).map(_cell)
    if not plain_console().encoding.lower().startswith("utf"):
        cells = cells.map(lambda cell: cell.replace("±", "+-"))
    print_table(cells, title=caption, keys=("method",), left=("method",))


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints words as they are: square brackets, colons and figures of a prompt mean nothing to it."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_table(
    cells: pd.DataFrame,
    *,
    title: str = "",
    keys: Sequence[str] = (),
    left: Sequence[str] = (),
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print a table and cut nothing: in a narrow terminal in parts, in a file or pipe as wide as it is.

    Args:
        cells: text.
        keys: the columns that every part begins with.
        left: columns of words; others stand to the right.
        styles: a cell's text -> how it is shown.
    """
    console = plain_console()
    if title:
        console.print(title, style="italic", soft_wrap=True)
    for part in _parts(cells, list(keys), console.width) if console.is_terminal else [cells]:
        shown = Table()
        for column in map(str, part):
            shown.add_column(column, justify="left" if column in left else "right", overflow="fold")
        for row in part.itertuples(index=False):
            shown.add_row(*(Text(value, (styles or {}).get(value, "")) for value in row))
        if not console.is_terminal:
            console.width = max(console.width, _width(shown))
        console.print(shown)


def _width(table: Table) -> int:
    """What a table takes where there is room for all of it."""
    return Console(width=100_000).measure(table).maximum


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def _parts(text: pd.DataFrame, keys: list[str], width: int) -> Iterator[pd.DataFrame]:
    """The columns in groups that fit, each after the keys."""
    widths = {column: max(len(column), *text[column].str.len()) + FRAME for column in text.columns}
    columns: list[str] = []
    for column in text.columns.drop(keys):
        if columns and 1 + sum(widths[c] for c in (*keys, *columns, column)) > width:
            yield text[[*keys, *columns]]
            columns = []
        columns.append(column)
    yield text[[*keys, *columns]]
