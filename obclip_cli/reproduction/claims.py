"""What the paper claims, its figures, ours, and a verdict that the code computes.

One rule: a claim holds where the whole interval lies on its side of the limit, and does not where the whole interval
lies on the other, or leaves out every advantage that counts: that one method is better is refuted by an interval in
which it is better, if at all, by less than what counts (Lakens 2018, https://doi.org/10.1177/2515245918770963, on the
smallest difference of interest). Between them nothing is decided, and it is said how many prompts would decide it;
where weights, data or scores are missing, nothing can be tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.power import Contrast, Counts, power_in_words

HOLDS, DOES_NOT_HOLD, NOT_DECIDED, NOT_TESTABLE = "holds", "does not hold", "not decided here", "not testable here"
LITTLE = 0.2  # of the gap between both ends


@dataclass(frozen=True)
class Verdict:
    """`word` is one of the four; `why` says what it was computed from."""

    word: str
    why: str


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, in our words.

    Attributes:
        source: where the paper says it, such as "Fig. 3".
        paper: the paper's figures.
        ours: our figures, with their intervals.
        contrasts: what the verdict was computed from, where that is differences of scores.
        reason: where it does not hold or is not decided: whether pair, size or paper is the likelier reason.
    """

    claim: str
    source: str
    paper: str
    ours: str
    verdict: Verdict
    contrasts: tuple[Contrast, ...] = ()
    reason: str = ""


def below(
    difference: Estimate, limit: float, what: str, prompts: int | None = None, counts: Counts | None = None
) -> Verdict:
    """Whether a difference lies below a limit: its whole interval must, or the whole interval must not.

    Args:
        what: names the difference, with its unit.
        prompts: that it was measured on; None where more of them would not narrow it.
        counts: what is below by less than this does not count; None where anything does.
    """
    found = Contrast(what, difference, limit, prompts or 0, counts=counts)
    short = counts is not None and counts.reached.low > limit
    return _decided(found, prompts, holds=difference.high < limit, fails=difference.low > limit, short=short)


def above(
    difference: Estimate, limit: float, what: str, prompts: int | None = None, counts: Counts | None = None
) -> Verdict:
    """The same for a claim that a difference lies above a limit."""
    found = Contrast(what, difference, limit, prompts or 0, counts=counts)
    short = counts is not None and counts.reached.high < limit
    return _decided(found, prompts, holds=difference.low > limit, fails=difference.high < limit, short=short)


def _decided(found: Contrast, prompts: int | None, *, holds: bool, fails: bool, short: bool) -> Verdict:
    difference, limit = found.estimate, found.limit
    side = "below" if difference.high < limit else "above" if difference.low > limit else "not told apart from"
    word = HOLDS if holds else DOES_NOT_HOLD if fails or short else NOT_DECIDED
    told = f"{found.label} {in_words(difference)} is {side} {limit:.3g}"
    if word == DOES_NOT_HOLD and not fails and found.counts is not None:
        told += f", and what it is better by, if anything, is less than {found.counts.what}"
    power = "" if prompts is None else power_in_words(found, word == NOT_DECIDED)
    return Verdict(word, f"{told} ({power})" if power else told)


def costs_little(rise: Estimate, gap: Estimate, left: Estimate, what: str, prompts: int | None = None) -> Verdict:
    """Whether a change costs less than a fifth of the gap between device-only and cloud-only.

    Args:
        rise: of the score; exactly 0 where no image changed.
        gap: device-only's score less cloud-only's; without one nothing can be held against it.
        left: the rise less a fifth of the gap, all from the same prompts and noise.
        prompts: as in `below`.
    """
    if rise.low == rise.value == rise.high == 0:
        return Verdict(HOLDS, f"{what} is exactly 0")
    if not gap.low > 0:
        power = "" if prompts is None else power_in_words(Contrast("the gap", gap, 0.0, prompts), undecided=True)
        why = f"{what} {in_words(rise)}: the gap, {in_words(gap)}, does not lie above 0"
        return Verdict(NOT_DECIDED, f"{why} ({power})" if power else why)
    return below(left, 0.0, f"{what} less {LITTLE:.0%} of the gap,", prompts)


def all_of(verdicts: list[Verdict]) -> Verdict:
    """A claim that has several parts: it fails with one of them, and holds with all."""
    words = [verdict.word for verdict in verdicts]
    word = next((word for word in (DOES_NOT_HOLD, NOT_TESTABLE, NOT_DECIDED) if word in words), HOLDS)
    return Verdict(word, "; ".join(verdict.why for verdict in verdicts))


def exactly(true: bool, why: str) -> Verdict:
    """The verdict on a count, which has no interval."""
    return Verdict(HOLDS if true else DOES_NOT_HOLD, why)


def untested(why: str) -> Verdict:
    """The verdict where models or data are missing locally."""
    return Verdict(NOT_TESTABLE, why)


def with_reasons(claims: Sequence[Claim], reasons: Mapping[str, str]) -> list[Claim]:
    """The claims; those that do not hold or are not decided with what is known of why.

    Args:
        reasons: claim -> whether the pair, the size or the paper is the likelier reason.
    """
    return [
        replace(claim, reason=" ".join(reasons[claim.claim].split()))
        if claim.claim in reasons and claim.verdict.word in (DOES_NOT_HOLD, NOT_DECIDED)
        else claim
        for claim in claims
    ]


def in_words(estimate: Estimate) -> str:
    """A figure with its 95 % interval."""
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
