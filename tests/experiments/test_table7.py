"""`obclip reproduce table7` on a tiny random pair, and what it concludes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import experiments.table7 as table7
from experiments.table7 import BEST, METHODS, claims, parts, presets_of, rows_of
from obclip_cli.commands import reproduce
from obclip_cli.compose import compose_config
from obclip_cli.reproduction.beside import paper_table
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.paper_costs import Cell
from tests.conftest import Run

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=6", "hybrid.switch_point=1"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's cells in our place: tests/cost/test_paper.py counts them, which takes most of a minute."""
    cells = [Cell(7, "", "", paper=tmac, ours=tmac) for tmac in paper_table(7)["tmac"]]
    monkeypatch.setattr(table7, "cells_of", lambda _: cells)
    monkeypatch.setattr(reproduce, "load_experiment", lambda _: table7)


@pytest.mark.usefixtures("counted")
def test_reproduce_writes_the_pairs_rows_and_the_papers(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    done = obclip("reproduce", "table7", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert done.code == 0, done.err
    assert {p.name for p in tmp_path.iterdir()} == {*(f"table7.{end}" for end in ("csv", "md", "tex", "png")), "runs"}
    table = pd.read_csv(tmp_path / "table7.csv")
    own = table[table["pair"] == "mini"]
    assert list(own["method"]) == [method for method in METHODS for _ in (4, 6)] and set(own["k"]) == {5}
    assert own[["seconds", "speedup_measured"]].notna().all(axis=None) and own["tmac_paper"].isna().all()
    vanilla = own[own["method"] == "vanilla OG"]
    assert list(vanilla["speedup_by_macs"]) == list(vanilla["speedup_measured"]) == [1, 1]
    quoted = table[table["pair"] != "mini"]
    assert len(quoted) == 56
    assert (quoted["tmac"] == quoted["tmac_paper"]).all()  # every cell beside its own
    (run,) = (tmp_path / "runs").iterdir()
    stamp = (run / "latency.csv").stat().st_mtime_ns
    assert obclip("reproduce", "table7", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert (run / "latency.csv").stat().st_mtime_ns == stamp


def test_every_row_is_timed_for_every_n_it_depends_on() -> None:
    timed = [(part.name, part.n) for part in parts(compose_config())]
    assert len(timed) == len(set(timed)) == 1 + 2 + 2 * (1 + 3 * 2) + 2
    assert ("cloud-only", 1) in timed and ("vanilla OG", 6) in timed and ("device after k=10", 1) in timed


def test_a_cloud_with_its_own_schedule_takes_the_papers_switch_point_for_it() -> None:
    config = compose_config(["pair=lcmsdxl-koala", "hybrid.switch_point=4", "hybrid.timestep_shift=8"])
    assert presets_of(config) == {4: "paper_lcm"}
    assert [row.run.switch_point for row in rows_of(config)] == [8, 8, 4, 4, 4, 4]
    assert presets_of(compose_config(["hybrid.steps=6", "hybrid.switch_point=1"])) == {5: "paper_k5"}


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
        (4.4, 1.6, [NOT_TESTABLE, DOES_NOT_HOLD]),
        (None, 1.4, [NOT_TESTABLE, HOLDS]),
    ],
)
def test_claims_are_computed_from_the_table(
    tmp_path: Path, speedup: float | None, reused: float, words: list[str]
) -> None:
    a_table(speedup, reused).to_csv(tmp_path / "table7.csv", index=False)
    found = claims(compose_config(), tmp_path)
    assert [claim.verdict.word for claim in found] == words
    assert "4.35 by its latencies, 3.90 by its FLOPs" in found[0].paper
