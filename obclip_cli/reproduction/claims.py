"""What the paper claims, its figures, ours, and a verdict that the code computes."""

from dataclasses import dataclass

from obclip_cli.metrics.intervals import Estimate

HOLDS, DOES_NOT_HOLD, NOT_TESTABLE = "holds", "does not hold", "not testable here"


@dataclass(frozen=True)
class Verdict:
    """`word` is one of the three; `why` says what it was computed from."""

    word: str
    why: str


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, in our words.

    Attributes:
        source: where the paper says it, such as "Fig. 3".
        paper: the paper's figures.
        ours: our figures, with their intervals.
    """

    claim: str
    source: str
    paper: str
    ours: str
    verdict: Verdict


def below(difference: Estimate, limit: float, what: str) -> Verdict:
    """Whether a difference lies below a limit: its whole interval must, or the whole interval must not.

    Args:
        what: names the difference, with its unit.
    """
    interval = in_words(difference)
    if difference.high < limit:
        return Verdict(HOLDS, f"{what} {interval} is below {limit:.3g}")
    if difference.low > limit:
        return Verdict(DOES_NOT_HOLD, f"{what} {interval} is above {limit:.3g}")
    return Verdict(NOT_TESTABLE, f"{what} {interval} cannot be told from {limit:.3g} with so few images")


def above(difference: Estimate, limit: float, what: str) -> Verdict:
    """The same for a claim that a difference lies above a limit."""
    interval = in_words(difference)
    if difference.low > limit:
        return Verdict(HOLDS, f"{what} {interval} is above {limit:.3g}")
    if difference.high < limit:
        return Verdict(DOES_NOT_HOLD, f"{what} {interval} is below {limit:.3g}")
    return Verdict(NOT_TESTABLE, f"{what} {interval} cannot be told from {limit:.3g} with so few images")


def all_of(verdicts: list[Verdict]) -> Verdict:
    """A claim that has several parts: it fails with one of them, and holds with all."""
    words = [verdict.word for verdict in verdicts]
    word = next((word for word in (DOES_NOT_HOLD, NOT_TESTABLE) if word in words), HOLDS)
    return Verdict(word, "; ".join(verdict.why for verdict in verdicts))


def exactly(true: bool, why: str) -> Verdict:
    """For what is counted and has no interval."""
    return Verdict(HOLDS if true else DOES_NOT_HOLD, why)


def untested(why: str) -> Verdict:
    """For what cannot be run here."""
    return Verdict(NOT_TESTABLE, why)


def in_words(estimate: Estimate) -> str:
    """A figure with its 95 % interval."""
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
