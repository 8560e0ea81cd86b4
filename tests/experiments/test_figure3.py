"""`obclip reproduce figure3` on a tiny random pair, and what the figure concludes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.figure3 import finding, methods, with_both_ends
from tests.conftest import Run

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=10", "dataset.limit=4"]


def test_reproduce_writes_table_figure_and_the_run_behind_them(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "figure3", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"figure3.csv", "figure3.md", "figure3.tex", "figure3.png", "runs"}
    table = pd.read_csv(tmp_path / "figure3.csv")
    assert [(row.order, row.k) for row in table.itertuples()] == [
        (order, k) for order in ("server_first", "client_first") for k in (0, 5, 10)
    ]
    (run_folder,) = (tmp_path / "runs").iterdir()
    assert run_folder.name in (tmp_path / "figure3.md").read_text()
    scores = pd.read_csv(run_folder / "scores.csv").set_index("method")
    by_place = table.set_index(["order", "k"])
    assert by_place.loc[("client_first", 5), "fid"] == scores.loc["client-first, k=5", "fid"]
    ends = by_place.loc["server_first"].loc[[0, 10]], by_place.loc["client_first"].loc[[0, 10]]
    pd.testing.assert_frame_equal(*ends)

    stamp = (run_folder / "scores.csv").stat().st_mtime_ns
    assert obclip("reproduce", "figure3", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert (run_folder / "scores.csv").stat().st_mtime_ns == stamp  # a finished run is not made again


def test_the_sweep_has_both_orders_and_each_end_once() -> None:
    names = [method.name for method in methods(25)]
    assert len(names) == len(set(names)) == 10
    assert "server-first, k=25" in names and "client-first, k=25" not in names


@pytest.mark.parametrize(("early", "verdict"), [(1.0, "holds"), (9.0, "does not hold")])
def test_the_finding_is_computed_from_the_table(early: float, verdict: str) -> None:
    rows = [("server_first", 0, 8.0), ("server_first", 5, early), ("server_first", 20, 7.0), ("server_first", 25, 0.5)]
    rows += [("client_first", 5, 5.0), ("client_first", 20, 3.0)]
    scores = pd.DataFrame([{"method": "", "order": o, "k": k, "n": 1, "fid": f} for o, k, f in rows])
    text = finding(with_both_ends(scores, 25))
    assert f"on this pair that {verdict}." in text
    assert ("20%" in text) == (verdict == "holds")
    assert "80%" not in text
