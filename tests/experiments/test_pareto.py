"""Cost against fidelity: the table and what it concludes, on a tiny pair and by hand."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.pareto import marginal, parts_of, picked
from obclip_cli.compose import compose_config
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.pareto_plot import front
from tests.experiments.conftest import Reproduced


def test_parts_have_the_methods_of_every_point_and_those_that_presets_were_chosen_on() -> None:
    parts = parts_of(compose_config(["experiment=pareto"]))
    named = {(part.name, part.k, part.guidance) for part in parts if not part.others}
    assert {("5 steps", 10, 7.5), ("13 steps", 25, 2), ("T-GATE, at half", 5, 5)} <= named
    thin = next(part for part in parts if (part.name, part.k) == ("3 steps", 10))
    assert (thin.method.cloud_steps, thin.count > 300, thin.peer) == (3, True, "own")
    gate = next(part for part in parts if part.peer == "tgate" and part.k == 10)
    assert gate.settings == {"gate": 5} and gate.method.cache.reuse is None
    tried = {(part.name, part.k, part.guidance) for part in parts if part.others}
    assert tried >= {("2 steps", 10, 2), ("2 steps, trunk of 1", 5, 7.5), ("uncached", 5, 5)}
    sure = {(part.name, part.k, part.guidance) for part in parts if part.count >= 300}
    assert sure >= {(name, 10, guidance) for name in ("uncached", "paper's caches", "5 steps") for guidance in (2, 5)}
    assert len({part.stem for part in parts}) == len(parts)


def test_a_front_holds_what_nothing_beats() -> None:
    table = pd.DataFrame({"macs": [1.0, 0.5, 0.5, 0.8, 0.3], "distance": [0.0, 0.01, 0.02, 0.01, 0.1]})
    assert front(table).tolist() == [True, True, False, True, True]
    table.loc[3, "distance"] = 0.011
    assert not front(table)[3]


def test_the_rule_picks_the_fewest_rows_whose_whole_interval_passes() -> None:
    tried = {"3 steps": Estimate(0.999, 0.998, 1.0), "2 steps": Estimate(0.995, 0.991, 0.999)}
    assert picked(tried, 0.99) == "2 steps"
    assert picked(tried | {"1 step": Estimate(0.995, 0.989, 0.999)}, 0.99) == "2 steps"
    assert picked(tried, 0.999) is None


def test_a_candidate_more_costs_the_slope() -> None:
    grown = pd.DataFrame({"method": "m", "n": [2, 4], "rows": [6, 10], "seconds": [1.0, 1.5]})
    (row,) = marginal(grown).to_dict("records")
    assert (row["rows_a_candidate"], row["seconds_a_candidate"]) == (2, 0.25)


@pytest.mark.slow
def test_the_table_compares_with_the_unaccelerated_part(reproduced: Reproduced, tmp_path: Path) -> None:
    reproduced = reproduced.elsewhere("pareto", tmp_path)
    table = reproduced.table("pareto")
    plain = table[table["method"] == "uncached"]
    assert (plain["macs"] == 1).all() and (plain["distance"] == 0).all() and plain["on_front"].all()
    rest = table[~table["method"].isin(["uncached", "the device in half its steps"])]
    assert (rest["macs"] < 1.001).all() and (rest["distance"] > 0).all()
    half = table[(table["method"] == "5 steps") & (table["k"] == 10)]["macs"]
    assert half.to_numpy() == pytest.approx(0.5)
    trunk = table[table["method"] == "2 steps, trunk of 1"]["macs"]
    assert trunk.to_numpy() == pytest.approx((2 + 2 * 3) / (10 * 3), abs=0.02)
    claims = reproduced.claims("pareto")
    assert len(claims) == 4 + 2 and all(claim.verdict.why for claim in claims)
