"""95 % intervals: a score is an estimate from a finite number of images, and its interval says how well it is known."""

from dataclasses import dataclass
from math import inf, nan

import numpy as np
from scipy import stats

LEVEL = 0.95
NORMAL_QUANTILE = float(stats.norm.ppf((1 + LEVEL) / 2))
RESAMPLES = 1000
CHUNK = 50  # resamples drawn at once, so that 30,000 images fit in memory


@dataclass(frozen=True)
class Estimate:
    """A score and its 95 % interval; all nan where it is not known.

    Attributes:
        draws: the score of each resample, where two methods are compared by it: equally many images are resampled
            alike for every method.
    """

    value: float
    low: float
    high: float
    draws: tuple[float, ...] = ()


UNKNOWN = Estimate(nan, nan, nan)


def of_mean(values: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Mean of the known values (n,), with a bootstrap over images. Source: scipy.stats.bootstrap, percentiles."""
    known = values[~np.isnan(values)]
    if not len(known):
        return UNKNOWN
    mean = float(known.mean())
    if len(known) == 1 or np.ptp(known) == 0:
        return Estimate(mean, mean, mean)
    found = stats.bootstrap(
        (known,), np.mean, n_resamples=RESAMPLES, batch=CHUNK, confidence_level=LEVEL, method="percentile", rng=rng
    )
    return Estimate(mean, float(found.confidence_interval.low), float(found.confidence_interval.high))


def of_share(hits: np.ndarray) -> Estimate:
    """Share of 1 among the known values (n,) of 0, 1 and nan.

    Wilson's interval: a bootstrap of hits only would claim certainty. Source: scipy.stats.binomtest.
    """
    known = hits[~np.isnan(hits)]
    if not len(known):
        return UNKNOWN
    interval = stats.binomtest(int(known.sum()), len(known)).proportion_ci(LEVEL, method="wilson")
    return Estimate(float(known.mean()), float(interval.low), float(interval.high))


def of_spread(value: float, spread: float, *, least: float = -inf) -> Estimate:
    """A score and the standard deviation of its resamples.

    Resamples repeat images, which moves distances between distributions up; so only their spread is used, around the
    score itself.

    Args:
        least: the smallest value that the score can take.
    """
    return Estimate(value, max(least, value - NORMAL_QUANTILE * spread), value + NORMAL_QUANTILE * spread)
