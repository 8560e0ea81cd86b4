"""The same experiment with other seeds: means over them, with Student's t-interval."""

from collections.abc import Sequence
from dataclasses import replace
from math import isnan, sqrt

import numpy as np
import pandas as pd
from scipy import stats

from obclip_cli.config import Config
from obclip_cli.metrics.intervals import LEVEL, UNKNOWN, Estimate
from obclip_cli.report.score_table import measured


def seeded(config: Config, count: int) -> list[Config]:
    """The configuration with its own seed and the next ones: other prompts, in another order, with other noise."""
    return [replace(config, seed=config.seed + place) for place in range(count)]


def over_seeds(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of one value a seed, (n,), with Student's t-interval of 95 %; unknown where a value is.

    Raises:
        ValueError: fewer than two seeds, which say nothing about how far seeds differ.
    """
    if len(values) < 2:
        raise ValueError(f"an interval over seeds needs at least two, there is {len(values)}")
    mean = float(np.mean(values))
    if isnan(mean):
        return UNKNOWN
    spread = float(np.std(values, ddof=1)) / sqrt(len(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, df=len(values) - 1)) * spread
    return Estimate(mean, mean - half, mean + half)


def table_over_seeds(tables: Sequence[pd.DataFrame], *, on: list[str]) -> pd.DataFrame:
    """One row a combination of `on`: every score's mean over the tables, with its `_low` and `_high`.

    Args:
        tables: one a seed, with the columns `on` and scores that have intervals (over prompts, which are left out).
    """
    scores = measured(tables[0])
    rows = []
    for key, group in pd.concat(tables).groupby(on, sort=False):
        row = dict(zip(on, key, strict=True))
        for score in scores:
            row |= columns(score, over_seeds(group[score].to_numpy(dtype=float)))
        rows.append(row)
    return pd.DataFrame(rows)


def columns(score: str, estimate: Estimate) -> dict[str, float]:
    """A score and its ends as columns of a table, to five digits."""
    ends = {score: estimate.value, f"{score}_low": estimate.low, f"{score}_high": estimate.high}
    return {name: float(f"{value:.5g}") for name, value in ends.items()}


def estimate_of(row: pd.Series, score: str) -> Estimate:
    """The score of a table's row with its interval, as `columns` wrote it."""
    return Estimate(float(row[score]), float(row[f"{score}_low"]), float(row[f"{score}_high"]))
