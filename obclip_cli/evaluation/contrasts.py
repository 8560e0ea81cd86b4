"""How far methods of one run differ, with an interval over the prompts that all of them made images of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from obclip_cli import runs
from obclip_cli.metrics.intervals import Estimate, of_mean, of_spread
from obclip_cli.runs import read_table


def difference(run: Path, score: str, method: str, than: str) -> Estimate:
    """`score` of `method` minus that of `than`; prompts and noise are the same, so the interval is of the pairs.

    Args:
        run: a finished run folder.
        score: fid, or a score that each image has (clip, ssim, an attribute).
    """
    return combined(run, score, {method: 1.0, than: -1.0})


def combined(run: Path, score: str, weights: Mapping[str, float]) -> Estimate:
    """The sum of weight * `score` over the methods in `weights`, with an interval over the prompts that they share.

    Args:
        run: a finished run folder.
        score: as in `difference`.
    """
    if score == "fid":
        return _of_draws(run, weights)
    table = read_table(run / "results.csv")
    values = {name: rows.set_index("seed")[score] for name, rows in table.groupby("method") if name in weights}
    each = sum(weight * values[name] for name, weight in weights.items())
    return of_mean(np.asarray(each, dtype=float), np.random.default_rng(0))


def _of_draws(run: Path, weights: Mapping[str, float]) -> Estimate:
    """Every method's images were resampled alike, so draws can be added one by one."""
    found = runs.read_json(run / "metrics.json")["methods"]
    fids = {name: found[name]["fid"] for name in weights}
    draws = np.sum([weight * np.array(fids[name]["draws"]) for name, weight in weights.items()], axis=0)
    value = sum(weight * fids[name]["value"] for name, weight in weights.items())
    return of_spread(value, float(draws.std(ddof=1)))
