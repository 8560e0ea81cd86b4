"""Verdicts on the FIDs of a finished run, each by paired differences with their whole 95 % interval."""

from collections.abc import Iterable
from pathlib import Path

from obclip_cli.evaluation.contrasts import combined, difference
from obclip_cli.reproduction.claims import Verdict, above, all_of, below, in_words, untested

CLOUD, DEVICE = "cloud-only", "device-only"
LITTLE = 0.2  # of the gap between both ends


def has_least_fid(run: Path, method: str, others: Iterable[str]) -> Verdict:
    """Whether one method's FID lies below that of every other."""
    return all_of(
        [below(difference(run, "fid", method, other), 0, f"FID of {method} minus {other}") for other in others]
    )


def lies_between_the_ends(run: Path, methods: Iterable[str]) -> Verdict:
    """Whether every method's FID lies above cloud-only's and below device-only's."""
    parts = []
    for method in methods:
        parts += [
            above(difference(run, "fid", method, CLOUD), 0, f"FID of {method} minus {CLOUD}"),
            below(difference(run, "fid", method, DEVICE), 0, f"FID of {method} minus {DEVICE}"),
        ]
    return all_of(parts)


def costs_little(run: Path, method: str, before: str, what: str) -> Verdict:
    """Whether a change raises the FID by less than a fifth of the gap between device-only and cloud-only.

    All four share prompts and noise, so the rule is tested on `rise - gap / 5`, with the interval of that.

    Args:
        before: what `method` is without the change.
        what: names the change.
    """
    gap = difference(run, "fid", DEVICE, CLOUD)
    if gap.low <= 0:
        return untested(f"{what}: the gap between both ends, FID {in_words(gap)}, cannot be told from 0")
    left = combined(run, "fid", {method: 1.0, before: -1.0, DEVICE: -LITTLE, CLOUD: LITTLE})
    return below(left, 0.0, f"{what}: FID's rise less {LITTLE:.0%} of the gap,")
