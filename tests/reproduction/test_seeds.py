"""Means over seeds against textbook figures."""

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.reproduction.seeds import over_seeds, seeded, table_over_seeds


def test_the_interval_is_students_by_hand() -> None:
    """Mean 3, standard deviation 1.5811, four degrees of freedom: 3 ± 2.7764 * 1.5811 / sqrt(5)."""
    found = over_seeds([1, 2, 3, 4, 5])
    assert found.value == 3
    assert (found.low, found.high) == pytest.approx((3 - 1.96324, 3 + 1.96324), abs=1e-4)


def test_one_seed_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two, there is 1"):
        over_seeds([1.0])


def test_a_score_that_one_seed_lacks_is_unknown() -> None:
    assert pd.isna(over_seeds([1.0, float("nan"), 2.0]).low)


def test_seeds_follow_the_configured_one() -> None:
    config = compose_config(["seed=7"])
    assert [one.seed for one in seeded(config, 3)] == [7, 8, 9]
    assert seeded(config, 3)[2].dataset == config.dataset


def test_a_table_holds_means_and_their_own_intervals_not_those_over_prompts() -> None:
    tables = [
        pd.DataFrame({"order": "a", "k": [0, 5], "fid": [fid, 10.0], "fid_low": -99.0, "fid_high": 99.0, "n": 1})
        for fid in (1.0, 3.0)
    ]
    rows = table_over_seeds(tables, on=["order", "k"]).set_index("k")
    assert list(rows["fid"]) == [2, 10]
    # One degree of freedom: t = 12.706, standard error 1.
    assert (rows.loc[0, "fid_low"], rows.loc[0, "fid_high"]) == pytest.approx((-10.706, 14.706), abs=1e-3)
    assert rows.loc[5, "fid_low"] == rows.loc[5, "fid_high"] == 10
    assert "n" not in rows
