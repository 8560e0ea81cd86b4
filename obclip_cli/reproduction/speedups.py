"""Speed-ups over vanilla OG, and how costs grow with the number of candidates."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from obclip_cli.reproduction.claims import Verdict, exactly, untested

VANILLA = "vanilla OG"
RANGE = ("", "_low", "_high")


def over_vanilla(table: pd.DataFrame, column: str) -> pd.Series:
    """Vanilla OG's figure over each row's, for the same pair, k and N.

    Args:
        table: rows with `pair`, `method`, `k`, `N` and the column.
    """
    place = ["pair", "k", "N"]
    whole = table[table["method"] == VANILLA].set_index(place)[column]
    keys = pd.MultiIndex.from_frame(table[place])
    return pd.Series(whole.reindex(keys).to_numpy(dtype=float) / table[column].to_numpy(dtype=float), table.index)


def ranges(seconds: pd.Series, vanilla: pd.Series) -> dict[str, float]:
    """Median and range over the rounds: of the seconds, and of the speed-up over vanilla OG in the same round.

    Args:
        seconds, vanilla: by round.
    """
    both = {"seconds": seconds, "speedup_measured": vanilla / seconds}
    return {
        f"{column}{end}": float(f"{value:.5g}")
        for column, series in both.items()
        for end, value in zip(RANGE, (series.median(), series.min(), series.max()), strict=True)
    }


def in_words(row: Mapping[Any, Any]) -> str:
    """A measured speed-up with its range."""
    value, low, high = (row[f"speedup_measured{end}"] for end in RANGE)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def faster(row: Mapping[Any, Any], least: float) -> Verdict:
    """Whether a measured speed-up exceeds `least` in every round, or in none."""
    low, high = row["speedup_measured_low"], row["speedup_measured_high"]
    why = f"k={row['k']}: measured {in_words(row)} against {least:.2f}, the least of the paper's latencies"
    return untested(f"{why}, which the rounds straddle") if low <= least <= high else exactly(low > least, why)


def growth(table: pd.DataFrame, pair: str, method: str, column: str) -> dict[int, float]:
    """How many times more the largest N costs than the smallest, by k; none for a pair without rows."""
    rows = table[(table["pair"] == pair) & (table["method"] == method)]
    wide = rows.pivot(index="k", columns="N", values=column).dropna()
    if wide.empty:
        return {}
    ratios = wide[wide.columns.max()] / wide[wide.columns.min()]
    return {int(k): float(ratio) for k, ratio in zip(ratios.index, ratios, strict=True)}
