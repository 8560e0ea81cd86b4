"""Verdicts on the FIDs of a finished run, each by paired differences with their whole 95 % interval."""

from collections.abc import Iterable
from pathlib import Path

from obclip_cli.metrics.differences import difference
from obclip_cli.reproduction.claims import Verdict, above, all_of, below, in_words, untested
from obclip_cli.reproduction.finished_runs import fid_contrast

CLOUD, DEVICE = "cloud-only", "device-only"


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


def costs_little(run: Path, changes: Iterable[tuple[str, str]], *, share: float) -> Verdict:
    """Whether each change raises the FID by less than a share of the gap between device-only and cloud-only.

    Args:
        changes: (method, what it is without the change).
        share: of the gap; not testable where the gap itself is not above 0.
    """
    gap = difference(run, "fid", DEVICE, CLOUD)
    if gap.low <= 0:
        return untested(f"{DEVICE} is not measurably worse than {CLOUD}: FID {in_words(gap)}")
    found = []
    for method, before in changes:
        contrast = fid_contrast(run, {method: 1, before: -1, DEVICE: -share, CLOUD: share})
        found.append(below(contrast, 0, f"{method}: FID rise minus {share:g} of the gap between both models"))
    return all_of(found)
