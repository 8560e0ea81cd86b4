"""Verdicts follow from intervals, and the page counts them."""

from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.claims import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_TESTABLE,
    Claim,
    Verdict,
    above,
    all_of,
    below,
    exactly,
    untested,
)
from obclip_cli.reproduction.claims_page import write_claims


@pytest.mark.parametrize(
    ("low", "high", "when_below", "when_above"),
    [(-2, -1, HOLDS, DOES_NOT_HOLD), (1, 2, DOES_NOT_HOLD, HOLDS), (-1, 1, NOT_TESTABLE, NOT_TESTABLE)],
)
def test_the_whole_interval_must_say_so(low: float, high: float, when_below: str, when_above: str) -> None:
    estimate = Estimate((low + high) / 2, low, high)
    assert below(estimate, 0, "FID").word == when_below
    assert above(estimate, 0, "FID").word == when_above
    assert f"[{low}, {high}]" in below(estimate, 0, "FID").why


def test_an_unknown_figure_decides_nothing() -> None:
    nan = float("nan")
    unknown = Estimate(nan, nan, nan)
    assert below(unknown, 0, "FID").word == above(unknown, 0, "FID").word == NOT_TESTABLE


@pytest.mark.parametrize(
    ("words", "together"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, NOT_TESTABLE], NOT_TESTABLE),
        ([HOLDS, NOT_TESTABLE, DOES_NOT_HOLD], DOES_NOT_HOLD),
    ],
)
def test_a_claim_of_several_parts_is_as_good_as_its_worst(words: list[str], together: str) -> None:
    found = all_of([Verdict(word, f"part {place}") for place, word in enumerate(words)])
    assert found.word == together
    assert all(f"part {place}" in found.why for place in range(len(words)))


def test_the_page_has_every_claim_and_the_right_count(tmp_path: Path) -> None:
    verdicts = [exactly(True, "1 = 1"), exactly(False, "1 | 2"), untested("no weights"), untested("no data")]
    claims = [Claim(f"claim {i}", "Fig. 3", "1", "2", verdict) for i, verdict in enumerate(verdicts)]
    summary = write_claims(claims, tmp_path)
    assert summary == "Of 4 claims 1 hold, 1 do not hold, 2 are not testable here."
    page = (tmp_path / "claims.md").read_text()
    assert summary in page and "* **does not hold**: 1 | 2" in page
    assert all(f"## {number}. {claim.claim} (Fig. 3)" in page for number, claim in enumerate(claims, start=1))
    stored = pd.read_csv(tmp_path / "claims.csv")
    assert list(stored["verdict"]) == [HOLDS, DOES_NOT_HOLD, NOT_TESTABLE, NOT_TESTABLE]
