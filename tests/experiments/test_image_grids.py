"""Figures 7, 8, 10, 11 and 13 on a tiny random pair: what is drawn, and what stands behind it."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=10"]
# figure -> overrides, its rows, its columns
GRIDS = {
    "figure7": (["dataset.limit=2"], 11, 2),
    "figure8": (["dataset.limit=3"], 2, 6),
    "figure10": (["dataset.limit=2"], 7, 2),
    "figure11": ([], 3, 10),
    "figure13": ([], 3, 7),
}


@pytest.mark.parametrize("name", GRIDS)
def test_reproduce_writes_the_grid_and_the_readings_behind_it(
    name: str, obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    more, rows, columns = GRIDS[name]
    call = ["reproduce", name, "-o", str(tmp_path), *tiny_pair, *FAST, *more]
    run = obclip(*call)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {*(f"{name}.{kind}" for kind in ("csv", "md", "tex", "png")), "runs"}
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name in (tmp_path / f"{name}.md").read_text()
    assert {path.name for path in folder.iterdir()} >= {"config.yaml", "environment.json", "readings.csv", "images"}
    table = pd.read_csv(tmp_path / f"{name}.csv")
    assert len(table) == rows * columns and table["row"].nunique() == rows
    assert len(list(folder.rglob("*.png"))) == rows * columns
    assert {"prompt", "seed", "gender_read", "gender_right"} <= set(table.columns)
    assert "Read right by the judge" in run.out.replace("\n", " ")

    stamp = (folder / "readings.csv").stat().st_mtime_ns
    assert obclip(*call).code == 0
    assert (folder / "readings.csv").stat().st_mtime_ns == stamp  # a finished run is not made again


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("pair", ["rv4-smallsd", "lcmsdxl-koala"])
def test_a_pair_without_weights_is_one_line(
    name: str, pair: str, obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert_one_line_error(
        obclip("reproduce", name, "--pair", pair, "--leave-out", "-o", str(tmp_path)), "not whole", pair
    )


def test_figure7_holds_every_method_of_the_papers_tables() -> None:
    figure7 = importlib.import_module("experiments.figure7")
    names = [method.name for method in figure7.methods(compose_config())]
    assert names[:3] == ["cloud-only", "device-only", "vanilla OG"]
    assert names[3:7] == ["Hybrid SD, k=10", "ObCLIP, k=10", "ObCLIP, k=10, cache", "ObCLIP, k=10, cache+reuse"]
    lcm = compose_config(["pair=lcmsdxl-koala", *figure7.default_split("lcmsdxl-koala")])
    assert "ObCLIP, k=4, cache+reuse" in [method.name for method in figure7.methods(lcm)]


def test_figures_10_and_13_run_from_one_end_to_the_other() -> None:
    figure10, figure13 = (importlib.import_module(f"experiments.{name}") for name in ("figure10", "figure13"))
    ours, lcm = compose_config(), compose_config(["pair=lcmsdxl-koala", *figure10.default_split("lcmsdxl-koala")])
    assert [m.switch_point for m in figure10.methods(ours)] == [0, 1, 3, 5, 10, 15, 20, 25]
    assert [m.switch_point for m in figure10.methods(lcm)] == [0, 1, 2, 3, 5, 6, 8]
    assert all(method.timestep_shift == 8 for method in figure10.methods(lcm))
    assert figure13.switch_points(ours) == [1, 3, 5, 8, 10, 15, 20, 25]


def stored(folder: Path, own: list[int], shared: list[int]) -> pd.DataFrame:
    """Readings of figure 8: 1 where the gender was read right."""
    figure8 = importlib.import_module("experiments.figure8")
    rows = [
        {"row": row, "place": place, "gender_right": bool(hit)}
        for row, hits in ((figure8.OWN, own), (figure8.SHARED, shared))
        for place, hit in enumerate(hits)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "readings.csv", index=False)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("own", "shared", "word"),
    [
        ([1] * 200, [1] * 200, HOLDS),
        ([1] * 20, [1] * 20, NOT_TESTABLE),  # so few pairs without a change say little
        ([1] * 200, [1, 0] * 100, DOES_NOT_HOLD),
        ([1] * 200, [1] * 190 + [0] * 10, NOT_TESTABLE),
    ],
)
def test_figure8_decides_by_paired_intervals(own: list[int], shared: list[int], word: str, tmp_path: Path) -> None:
    figure8 = importlib.import_module("experiments.figure8")
    config = compose_config(figure8.overrides("mini"))
    stored(figure8.grids.run_folder(config, tmp_path, figure8.NAME, figure8.setting(config)), own, shared)
    (claim,) = figure8.claims(config, tmp_path)
    assert claim.verdict.word == word
    assert f"{100 * sum(own) / len(own):.1f}%" in claim.ours and f"{100 * sum(shared) / len(shared):.1f}%" in claim.ours


def test_figure8_without_images_is_not_testable(tmp_path: Path) -> None:
    figure8 = importlib.import_module("experiments.figure8")
    (claim,) = figure8.claims(compose_config(figure8.overrides("mini")), tmp_path)
    assert claim.verdict.word == NOT_TESTABLE


def test_figure8_counts_a_lost_and_a_won_image_of_a_pair_as_none(tmp_path: Path) -> None:
    figure8 = importlib.import_module("experiments.figure8")
    found = figure8.lost(stored(tmp_path, [1, 0, 1, 1], [0, 1, 1, 0]))
    assert found.value == -0.25 and found.low == -0.5 and found.high == 0.0


def test_figure8_needs_a_schedule_with_room_for_the_papers_k(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "figure8", "-o", str(tmp_path), *tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1")
    assert_one_line_error(run, "hybrid.steps=4", "5 or more")
