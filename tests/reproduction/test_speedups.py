"""Speed-ups, ranges and growth, by hand."""

import pandas as pd
import pytest

from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.speedups import faster, growth, over_vanilla, ranges


def table() -> pd.DataFrame:
    rows = [("vanilla OG", 4, 8.0), ("vanilla OG", 6, 12.0), ("ours", 4, 2.0), ("ours", 6, 3.0)]
    return pd.DataFrame([{"pair": "p", "method": m, "k": 5, "N": n, "tmac": t} for m, n, t in rows])


def test_each_row_is_held_against_vanilla_og_of_its_own_n() -> None:
    assert list(over_vanilla(table(), "tmac")) == [1, 1, 4, 4]
    other = table().assign(pair="q", tmac=[80.0, 120.0, 2.0, 3.0])
    assert list(over_vanilla(pd.concat([table(), other], ignore_index=True), "tmac")) == [1, 1, 4, 4, 1, 1, 40, 40]


def test_growth_is_of_the_largest_n_over_the_smallest() -> None:
    assert growth(table(), "p", "ours", "tmac") == {5: 1.5}
    assert growth(table(), "another pair", "ours", "tmac") == {}


def test_speed_ups_are_ratios_within_a_round() -> None:
    """A round that is slow for both changes no ratio: 10/5 and 30/10, not 30/5."""
    found = ranges(pd.Series([5.0, 10.0]), pd.Series([10.0, 30.0]))
    assert (found["seconds"], found["seconds_low"], found["seconds_high"]) == (7.5, 5, 10)
    assert (found["speedup_measured_low"], found["speedup_measured_high"]) == (2, 3)


@pytest.mark.parametrize(
    ("low", "high", "word"), [(4.5, 6.0, HOLDS), (3.0, 4.2, DOES_NOT_HOLD), (4.0, 5.0, NOT_TESTABLE)]
)
def test_faster_must_be_so_in_every_round(low: float, high: float, word: str) -> None:
    row = {"k": 5, "speedup_measured": 4.3, "speedup_measured_low": low, "speedup_measured_high": high}
    assert faster(row, 4.35).word == word
