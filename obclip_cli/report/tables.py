"""A table as CSV for programs and Markdown for people."""

from pathlib import Path

import pandas as pd

from obclip_cli.report.score_table import with_intervals
from obclip_cli.runs import write_text


def write_table(table: pd.DataFrame, stem: Path, *, caption: str) -> None:
    """Write `stem.csv` and `stem.md`, where scores stand with their intervals; missing cells are empty in both."""
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False))
    shown = with_intervals(table)
    shown = shown.astype(object).where(shown.notna(), "")
    write_text(stem.with_suffix(".md"), f"{caption}\n\n{shown.to_markdown(index=False)}\n")
