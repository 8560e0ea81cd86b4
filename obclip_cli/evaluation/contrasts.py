"""How far methods of one run differ, with an interval over the prompts that all of them made images of."""

from collections.abc import Mapping, Sequence
from math import isnan, sqrt
from pathlib import Path

import numpy as np
from scipy import stats

from obclip_cli import runs
from obclip_cli.metrics.intervals import LEVEL, NORMAL_QUANTILE, UNKNOWN, Estimate, of_mean, of_share, of_spread
from obclip_cli.runs import read_table


def difference(run: Path, score: str, method: str, than: str) -> Estimate:
    """`score` of `method` minus that of `than`; prompts and noise are the same, so the interval is of the pairs.

    Args:
        run: a finished run folder.
        score: a distance between distributions (fid, fid_cloud), or a score that each image has (clip, an attribute).
    """
    return combined(run, score, {method: 1.0, than: -1.0})


def combined(run: Path, score: str, weights: Mapping[str, float]) -> Estimate:
    """The sum of weight * `score` over the methods in `weights`, with an interval over the prompts that they share.

    Args:
        run: a finished run folder.
        score: as in `difference`.
    """
    if (found := _of_draws(run, score, weights)) is not None:
        return found
    table = read_table(run / "results.csv")
    values = {name: rows.set_index("seed")[score] for name, rows in table.groupby("method") if name in weights}
    each = np.asarray(sum(weight * values[name] for name, weight in weights.items()), dtype=float)
    if (
        table[score].dropna().isin((0, 1)).all() and not np.nan_to_num(each).any()
    ):  # no image changed sides: Wilson's of no change
        changed = of_share(each).high
        return Estimate(0.0, -changed, changed)
    return of_mean(each, np.random.default_rng(0))


def _of_draws(run: Path, score: str, weights: Mapping[str, float]) -> Estimate | None:
    """Every method's images were resampled alike, so draws can be added one by one; None where there are no draws."""
    found = runs.read_json(run / "metrics.json")["methods"]
    each = {name: found[name].get(score, {}) for name in weights}
    if not all("draws" in estimate for estimate in each.values()):
        return None
    draws = np.sum([weight * np.array(each[name]["draws"]) for name, weight in weights.items()], axis=0)
    value = sum(weight * each[name]["value"] for name, weight in weights.items())
    return of_spread(value, float(draws.std(ddof=1)))


def prompts_in(run: Path) -> int:
    """How many prompts a finished run has."""
    return int(read_table(run / "results.csv")["seed"].nunique())


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


def independent(estimate: Estimate, less: Estimate) -> Estimate:
    """A difference of estimates from different prompts, whose variances add."""
    spreads = [(each.high - each.low) / (2 * NORMAL_QUANTILE) for each in (estimate, less)]
    return of_spread(estimate.value - less.value, sqrt(spreads[0] ** 2 + spreads[1] ** 2))
