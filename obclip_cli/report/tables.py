"""A table as CSV for programs, Markdown for people and LaTeX for papers."""

from pathlib import Path

import pandas as pd

from obclip_cli.report.score_table import with_intervals
from obclip_cli.runs import write_text


def write_table(table: pd.DataFrame, stem: Path, *, caption: str) -> None:
    """Write `stem.csv`, and `stem.md` and `stem.tex`, where scores stand with their intervals.

    Missing cells are empty in all three.
    """
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False))
    shown = with_intervals(table)
    shown = shown.astype(object).where(shown.notna(), "")
    write_text(stem.with_suffix(".md"), f"{caption}\n\n{shown.to_markdown(index=False)}\n")
    write_text(stem.with_suffix(".tex"), _latex(shown, caption))


def _latex(table: pd.DataFrame, caption: str) -> str:
    """A booktabs table; source: pandas.io.formats.style.Styler.to_latex."""
    styler = table.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    escaped = caption.replace("%", r"\%").replace("_", r"\_").replace("&", r"\&")
    return str(styler.to_latex(hrules=True, caption=escaped, position_float="centering"))
