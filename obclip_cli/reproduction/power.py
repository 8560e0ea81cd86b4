"""How many prompts decide a claim, from the spread that a run has measured.

An interval of 95 % leaves a limit out in four runs of five where the true difference lies 1.96 + 0.84 standard errors
from it; and standard errors shrink with the root of the number of prompts.
"""

from dataclasses import dataclass
from math import ceil, inf

from scipy import stats

from obclip_cli.metrics.intervals import NORMAL_QUANTILE, Estimate

POWER = 0.8
STANDARD_ERRORS = NORMAL_QUANTILE + float(stats.norm.ppf(POWER))


@dataclass(frozen=True)
class Counts:
    """The least advantage that counts, where a claim says that something is better.

    Attributes:
        what: it is, such as "a fifth of the gap".
        reached: the difference, that much worse; at the limit it is better by just what counts.
    """

    what: str
    reached: Estimate

    @classmethod
    def by(cls, amount: float, difference: Estimate, what: str) -> "Counts":
        """A fixed amount: negative where more is better."""
        return cls(what, Estimate(difference.value + amount, difference.low + amount, difference.high + amount))


@dataclass(frozen=True)
class Contrast:
    """A difference of scores that is held against a limit.

    Attributes:
        label: the difference in words.
        prompts: that it was measured on.
        beside: told, but decides nothing: the paper's own score where another one is sharper.
        counts: what it must reach to count; None where any difference does.
    """

    label: str
    estimate: Estimate
    limit: float
    prompts: int
    beside: bool = False
    counts: Counts | None = None

    @property
    def decides(self) -> float:
        """The smallest distance from the limit that so many prompts decide with 80 % power."""
        return STANDARD_ERRORS * (self.estimate.high - self.estimate.low) / (2 * NORMAL_QUANTILE)

    @property
    def would_take(self) -> float:
        """Prompts that decide it with 80 % power, if the true difference is the one that was measured.

        What lies on the side of the claim is held against the limit, else against the least advantage that counts.
        """
        away = self.estimate.value - self.limit
        if self.counts is not None and away * (self.counts.reached.value - self.estimate.value) > 0:
            away = self.counts.reached.value - self.limit
        away = abs(away)
        return ceil(self.prompts * (self.decides / away) ** 2) if away > 0 else inf


def power_in_words(contrast: Contrast, undecided: bool) -> str:
    """As in "75 prompts decide a difference of 0.3; this one would take 2,100"; empty where nothing varies."""
    if not contrast.decides > 0:
        return ""
    said = f"{contrast.prompts:,} prompts decide a difference of {contrast.decides:.2g}"
    if not undecided:
        return said
    needed = contrast.would_take
    return f"{said}; this one would take {needed:,}" if needed < inf else f"{said}; no number would decide none"
