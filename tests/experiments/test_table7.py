"""Table 7 on a tiny random pair, by hand, and what it concludes."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.table7 import BEST, METHODS, OURS, claims, growth, over_vanilla, own_rows, parts
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, NOT_TESTABLE
from tests.experiments.conftest import Reproduced


def configured(*overrides: str) -> Config:
    return compose_config(["experiment=table7", *overrides])


def test_the_pairs_rows_lead_and_every_cell_of_the_paper_stands_beside_our_count(reproduced: Reproduced) -> None:
    table = reproduced.table("table7")
    own = table[table["pair"] == "mini"]
    ours = [name for name in OURS for _ in range(2)]  # each at its own k
    assert list(own["method"]) == [method for method in METHODS for _ in range(4)] + ours and set(own["k"]) == {5, 10}
    assert own[["seconds", "speedup_measured"]].notna().all(axis=None) and own["tmac_paper"].isna().all()
    vanilla = own[own["method"] == "vanilla OG"]
    assert set(vanilla["speedup_by_macs"]) == set(vanilla["speedup_measured"]) == {1}
    quoted = table[table["pair"] != "mini"]
    assert (quoted["tmac"] / quoted["tmac_paper"] - 1).abs().max() < 0.01 and quoted["seconds"].isna().all()


def test_every_row_is_timed_for_every_n_it_depends_on() -> None:
    timed = [(part.name, part.n) for part in parts(configured())]
    assert len(timed) == len(set(timed)) == 1 + 2 + 2 * (1 + 3 * 2) + 2 + 3 * 2  # our presets last
    assert ("cloud-only", 1) in timed and ("vanilla OG", 6) in timed and ("device after k=10", 1) in timed


def test_a_cloud_with_its_own_schedule_takes_the_papers_switch_point_for_it() -> None:
    lcm = own_rows(configured("pair=lcmsdxl-koala", "hybrid.switch_point=4", "hybrid.timestep_shift=8"), None)
    assert set(lcm["k"]) == {4} and lcm["seconds"].isna().all()
    assert set(own_rows(configured("hybrid.steps=6", "hybrid.switch_point=1"), None)["k"]) == {5}


def test_a_speed_up_is_a_ratio_within_a_round() -> None:
    """A round that is slow for both changes no ratio: 10/5 and 30/10, not 30/5."""
    config = configured("hybrid.steps=6", "hybrid.switch_point=1")
    seconds = {"vanilla OG": (10.0, 30.0), "device after k=5": (1.0, 1.0)}
    rows = [
        {"part": part.name, "n": part.n, "round": place, "seconds": seconds.get(part.name, (5.0, 10.0))[place]}
        for part in parts(config)
        for place in (0, 1)
    ]
    found = own_rows(config, pd.DataFrame(rows)).set_index(["method", "N"])
    best, total = found.loc[(BEST, 6)], found.loc[("total with device", 6)]
    assert (best["seconds"], best["seconds_low"], best["seconds_high"]) == (7.5, 5, 10)
    assert (best["speedup_measured_low"], best["speedup_measured_high"]) == (2, 3)
    assert (total["seconds_low"], total["seconds_high"]) == (6, 11)


def hand_counted() -> pd.DataFrame:
    rows = [("vanilla OG", 4, 8.0), ("vanilla OG", 6, 12.0), (BEST, 4, 2.0), (BEST, 6, 3.0)]
    return pd.DataFrame([{"pair": "p", "method": m, "k": 5, "N": n, "tmac": t} for m, n, t in rows])


def test_each_row_is_held_against_vanilla_og_of_its_own_n_and_pair() -> None:
    assert list(over_vanilla(hand_counted(), "tmac")) == [1, 1, 4, 4]
    other = hand_counted().assign(pair="q", tmac=[80.0, 120.0, 2.0, 3.0])
    both = pd.concat([hand_counted(), other], ignore_index=True)
    assert list(over_vanilla(both, "tmac")) == [1, 1, 4, 4, 1, 1, 40, 40]


def test_growth_is_of_the_largest_n_over_the_smallest() -> None:
    assert growth(hand_counted(), "p", "tmac") == [(BEST, 5, 1.5)]
    assert growth(hand_counted(), "another pair", "tmac") == []


def a_table(speedup: float | None, reused: float) -> pd.DataFrame:
    """A pair `mini` that grows as N without reuse, to `reused` times with it; and the paper's two latencies."""
    rows = []
    for method in ("ObCLIP", "ObCLIP+cache", BEST):
        for n in (4, 6):
            cost = reused if (method, n) == (BEST, 6) else n / 4
            rows.append({"pair": "mini", "method": method, "k": 5, "N": n, "tmac": cost, "speedup_by_macs": 6.0})
            rows.append({**rows[-1], "pair": "sd-v1.4+bk-sdm-small"})
    table = pd.DataFrame(rows)
    ours = table["pair"] == "mini"
    for end, by in (("", 0), ("_low", -0.1), ("_high", 0.1)):
        table[f"speedup_measured{end}"] = [None if speedup is None or not own else speedup + by for own in ours]
    for column, value in (("tmac", 1.0), ("speedup_measured", 4.35), ("speedup_by_macs", 3.9)):
        table[f"{column}_paper"] = [None if own else value for own in ours]
    return table


@pytest.mark.parametrize(
    ("speedup", "reused", "words"),
    [
        (5.0, 1.49, [HOLDS, HOLDS]),
        (4.0, 1.5, [DOES_NOT_HOLD, DOES_NOT_HOLD]),
        (4.4, 1.6, [NOT_DECIDED, DOES_NOT_HOLD]),
        (None, 1.4, [NOT_TESTABLE, HOLDS]),
    ],
)
def test_claims_are_computed_from_the_table(
    tmp_path: Path, speedup: float | None, reused: float, words: list[str]
) -> None:
    a_table(speedup, reused).to_csv(tmp_path / "table7.csv", index=False)
    found = claims(configured(), tmp_path)
    assert [claim.verdict.word for claim in found] == words
    assert "4.35 by its latencies, 3.90 by its FLOPs" in found[0].paper
