"""Verdicts follow from intervals, and the pages count and show them."""

from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.metrics.intervals import UNKNOWN, Estimate
from obclip_cli.reproduction.claims import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_DECIDED,
    NOT_TESTABLE,
    Claim,
    Verdict,
    above,
    all_of,
    below,
    exactly,
    untested,
    with_reasons,
)
from obclip_cli.reproduction.page import Section, write_claims, write_page
from obclip_cli.reproduction.power import Counts


@pytest.mark.parametrize(
    ("low", "high", "when_below", "when_above"),
    [(-2, -1, HOLDS, DOES_NOT_HOLD), (1, 2, DOES_NOT_HOLD, HOLDS), (-1, 1, NOT_DECIDED, NOT_DECIDED)],
)
def test_the_whole_interval_must_say_so(low: float, high: float, when_below: str, when_above: str) -> None:
    estimate = Estimate((low + high) / 2, low, high)
    assert below(estimate, 0, "FID").word == when_below
    assert above(estimate, 0, "FID").word == when_above
    assert f"[{low}, {high}]" in below(estimate, 0, "FID").why


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(-0.2, 0.3, DOES_NOT_HOLD), (-0.4, 0.3, NOT_DECIDED), (-0.2, -0.1, HOLDS), (0.1, 0.2, DOES_NOT_HOLD)],
)
def test_an_advantage_that_does_not_count_refutes_that_something_is_better(low: float, high: float, word: str) -> None:
    less = Estimate((low + high) / 2, low, high)
    more = Estimate(-less.value, -high, -low)
    assert below(less, 0, "FID", counts=Counts.by(0.3, less, "0.3")).word == word
    assert above(more, 0, "CLIP score", counts=Counts.by(-0.3, more, "0.3")).word == word


def test_an_unknown_figure_decides_nothing() -> None:
    assert below(UNKNOWN, 0, "FID").word == above(UNKNOWN, 0, "FID").word == NOT_DECIDED
    assert below(UNKNOWN, 0, "FID", counts=Counts.by(1.0, UNKNOWN, "1")).word == NOT_DECIDED


@pytest.mark.parametrize(
    ("words", "together"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, NOT_DECIDED], NOT_DECIDED),
        ([NOT_DECIDED, NOT_TESTABLE], NOT_TESTABLE),
        ([HOLDS, NOT_TESTABLE, DOES_NOT_HOLD], DOES_NOT_HOLD),
    ],
)
def test_a_claim_of_several_parts_is_as_good_as_its_worst(words: list[str], together: str) -> None:
    found = all_of([Verdict(word, f"part {place}") for place, word in enumerate(words)])
    assert found.word == together
    assert all(f"part {place}" in found.why for place in range(len(words)))


def test_the_pages_have_every_claim_under_its_experiment_and_the_right_count(tmp_path: Path) -> None:
    undecided = Verdict(NOT_DECIDED, "0 [-1, 1]")
    verdicts = [exactly(True, "1 = 1"), exactly(False, "1 | 2"), undecided, untested("no weights"), untested("no data")]
    claims = [Claim(f"claim {i}", "Fig. 3", "1", "", verdict) for i, verdict in enumerate(verdicts)]
    ran = Section("Table 2: a title", "table2", "What was run.", True, claims[:2])
    write_page(
        tmp_path,
        [ran, Section("Figure 3", "figure3", "no weights", False, []), Section("C", "c", "C.", True, claims[2:])],
    )
    summary = "Of 5 claims 1 hold, 1 do not hold, 1 are not decided here, 2 are not testable here."
    page, told = ((tmp_path / name).read_text() for name in ("README.md", "claims.md"))
    assert summary in page and summary in told
    assert "![Table 2: a title](table2.png)\n\n> What was run.\n\nTable: [table2.md](table2.md)" in page
    assert page.index("claim 1 (Fig. 3) **does not hold**") < page.index("Not run: no weights") < page.index("claim 2")
    assert "* **does not hold**: 1 | 2" in told and "* Here: no figures" in told
    assert all(f"## {number}. {claim.claim} (Fig. 3)" in told for number, claim in enumerate(claims, start=1))
    assert list(pd.read_csv(tmp_path / "claims.csv")["verdict"])[2:] == [NOT_DECIDED, NOT_TESTABLE, NOT_TESTABLE]


def test_the_papers_claims_are_counted_by_themselves_too(tmp_path: Path) -> None:
    sources, verdicts = ("Table 2", "our own question", "ours; none"), (exactly(True, ""), exactly(False, ""))
    claims = [Claim("a claim", source, "", "", verdict) for source in sources for verdict in verdicts]
    summary = write_claims(claims, tmp_path)
    assert summary.startswith("Of 6 claims 3 hold, 3 do not hold,")
    assert "Among them are 2 of the paper's: 1 hold, 1 do not hold," in summary
    assert "Among them" not in write_claims(claims[:2], tmp_path)


def test_a_reason_is_given_only_where_a_claim_fails_or_is_undecided(tmp_path: Path) -> None:
    undecided = Verdict(NOT_DECIDED, "0 [-1, 1]")
    verdicts = exactly(True, "1 = 1"), exactly(False, "1 = 2"), undecided, untested("no weights")
    claims = [Claim(f"claim {i}", "Fig. 3", "1", "2", verdict) for i, verdict in enumerate(verdicts)]
    found = with_reasons(claims, {claim.claim: "The size:\n  few  prompts." for claim in claims} | {"another": "none"})
    assert [claim.reason for claim in found] == ["", "The size: few prompts.", "The size: few prompts.", ""]
    write_page(tmp_path, [Section("Figure 3", "figure3", "What was run.", True, found)])
    assert (tmp_path / "claims.md").read_text().count("* Likelier reason: The size: few prompts.") == 2
    assert pd.read_csv(tmp_path / "claims.csv", keep_default_na=False)["reason"].tolist() == [c.reason for c in found]
    assert (tmp_path / "index.html").read_text().count("<dt>Likelier reason</dt>") == 2
