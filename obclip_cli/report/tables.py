"""A table as CSV for programs and Markdown for people."""

from pathlib import Path

import pandas as pd

from obclip_cli.runs import write_text


def write_table(table: pd.DataFrame, stem: Path, *, caption: str) -> None:
    """Write `stem.csv` and `stem.md`; missing cells are empty in both."""
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False))
    shown = table.astype(object).where(table.notna(), "")
    write_text(stem.with_suffix(".md"), f"{caption}\n\n{shown.to_markdown(index=False)}\n")
