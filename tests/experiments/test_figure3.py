"""`obclip reproduce figure3` on a tiny random pair, what it concludes, and what it says without weights."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import experiments.figure3 as figure3
from obclip_cli.commands import reproduce
from obclip_cli.compose import compose_config
from obclip_cli.diffusion.pairs import pair_names
from tests.conftest import Run

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=2", "hybrid.switch_point=1", "dataset.limit=2"]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer seeds and shares than the experiment has."""
    monkeypatch.setattr(figure3, "SEEDS", 2)
    monkeypatch.setattr(figure3, "SHARES", (0.0, 0.5, 1.0))
    monkeypatch.setattr(reproduce, "load_experiment", lambda _: figure3)


@pytest.mark.usefixtures("short")
def test_reproduce_writes_means_over_the_runs_of_all_seeds(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "figure3", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"figure3.csv", "figure3.md", "figure3.tex", "figure3.png", "runs"}
    table = pd.read_csv(tmp_path / "figure3.csv").set_index(["order", "k"])
    assert list(table.index) == [(order, k) for order in ("server_first", "client_first") for k in (0, 1, 2)]
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2 and all(folder.name in (tmp_path / "figure3.md").read_text() for folder in folders)
    scores = [pd.read_csv(folder / "scores.csv").set_index("method")["fid"] for folder in folders]
    means = sum(scores) / 2
    assert table.loc[("client_first", 1), "fid"] == pytest.approx(means["client-first, k=1"], rel=1e-4)
    lead = means["server-first, k=1"] - means["client-first, k=1"]
    assert table.loc[("server_first", 1), "fid_difference"] == pytest.approx(lead, abs=1e-3)
    assert list(table.loc["server_first", "fid"].loc[[0, 2]]) == list(table.loc["client_first", "fid"].loc[[0, 2]])
    assert table.loc[("server_first", 0), "fid_paper"] == 18.30 and table.loc[("server_first", 2), "fid_paper"] == 13.86
    assert table.loc["client_first", "fid_paper"].isna().all()

    stamps = [(folder / "scores.csv").stat().st_mtime_ns for folder in folders]
    assert obclip("reproduce", "figure3", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert [(folder / "scores.csv").stat().st_mtime_ns for folder in folders] == stamps  # read again, not made again
    config = compose_config([*figure3.overrides("mini"), *tiny_pair, *FAST])
    assert [claim.source for claim in figure3.claims(config, tmp_path)] == ["Fig. 3", *["Fig. 3 and Table 3"] * 2]


def test_the_sweep_has_both_orders_and_each_end_once() -> None:
    names = [method.name for method in figure3.methods(compose_config())]
    assert len(names) == len(set(names)) == 10
    assert "server-first, k=25" in names and "client-first, k=25" not in names


def _seed(lead: float, slope: float, noise: float) -> pd.DataFrame:
    """Scores of one seed: server-first's FID falls by `slope` a step and lies `lead` below client-first's."""
    rows = []
    for k in (0, 5, 10, 25):
        fid = 9 - slope * k + noise
        rows.append({"order": "server_first", "k": k, "fid": fid, "clip": 0.2 + slope * k / 100 + noise / 99})
        if k in (5, 10):
            rows.append({"order": "client_first", "k": k, "fid": fid + lead + noise / 9, "clip": 0.2})
    table = pd.DataFrame(rows)
    return table.assign(**{f"{name}_{end}": 0.0 for name in ("fid", "clip") for end in ("low", "high")})


@pytest.mark.parametrize(
    ("lead", "slope", "words", "told"),
    [
        (1.0, 0.1, ["holds", "holds", "holds"], "server first has the lower FID at 20%, 40%"),
        (-1.0, -0.1, ["does not hold", "does not hold", "does not hold"], "client first has the lower FID at 20%, 40%"),
        (0.0, 0.1, ["not testable here", "holds", "holds"], "cannot be told apart at 20%, 40%"),
    ],
)
def test_claims_and_finding_are_computed_from_what_was_stored(
    lead: float, slope: float, words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [_seed(lead, slope, noise) for noise in (-0.3, 0.0, 0.1, 0.2)]
    described = tables[0][["order", "k"]].assign(cloud_share=tables[0]["k"] / 25)
    figure3.with_both_ends(described, tables).to_csv(tmp_path / "figure3.csv", index=False)
    monkeypatch.setattr(figure3, "seed_tables", lambda *_: tables)
    claims = figure3.claims(compose_config(), tmp_path)
    assert [claim.verdict.word for claim in claims] == words
    assert claims[1].paper == "18.3 at 0%, 16.55 at 20%, 15.65 at 40%, 13.86 at 100%"
    text = figure3.finding(pd.read_csv(tmp_path / "figure3.csv"), figure3.fid_slope(tables))
    assert told in text and f"on this pair: {words[0]}." in text


def test_orders_are_compared_within_each_seed() -> None:
    """FIDs vary by 9 between seeds and the lead by 1: side by side the orders overlap, paired they do not."""
    tables = [_seed(2.0, 0.1, noise) for noise in (-4.5, 0.0, 4.5)]
    row = figure3.fid_differences(tables).iloc[0]
    assert row["fid_difference"] == pytest.approx(-2, abs=1e-9) and row["fid_difference_high"] < 0
    whole = figure3.table_over_seeds(tables, on=["order", "k"]).set_index(["order", "k"])
    assert whole.loc[("server_first", 5), "fid_high"] > whole.loc[("client_first", 5), "fid_low"]


@pytest.mark.parametrize("pair", [name for name in pair_names() if name != "mini"])
def test_without_weights_costs_are_there_and_nothing_is_claimed(pair: str, tmp_path: Path) -> None:
    config = compose_config([f"pair={pair}", *figure3.overrides(pair)])
    text = figure3.run(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "figure3.csv")
    assert "Nothing was scored: not whole on this machine" in text
    assert table["cloud_tmac"].is_monotonic_increasing or "client_first" in set(table["order"])
    assert table[["cloud_tmac", "device_tmac"]].notna().all(axis=None) and "fid" not in table
    assert (table["order"] == "server_first").all() == (pair == "lcmsdxl-koala")
    assert {claim.verdict.word for claim in figure3.claims(config, tmp_path)} == {"not testable here"}
