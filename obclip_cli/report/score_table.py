"""Scores for people: each with its interval in one cell."""

from collections.abc import Callable

import pandas as pd

ENDS = ("_low", "_high")


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
