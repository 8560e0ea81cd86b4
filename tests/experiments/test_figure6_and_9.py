"""`obclip reproduce figure6` and `figure9` on a tiny random pair, and what they conclude."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import NOT_TESTABLE
from obclip_cli.reproduction.redundancy import CANDIDATE, NOISE, PREVIOUS, PROMPT
from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=10", "dataset.limit=3"]
PARTS = {"figure6": {"self", "cross"}, "figure9": {"features"}}


@pytest.mark.parametrize("name", PARTS)
def test_reproduce_writes_curves_heat_maps_and_claims(
    name: str, obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", name, "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {*(f"{name}.{kind}" for kind in ("csv", "md", "tex", "png")), "runs"}
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name in (tmp_path / f"{name}.md").read_text()
    raw, table = pd.read_csv(folder / "differences.csv"), pd.read_csv(tmp_path / f"{name}.csv")
    assert set(raw["part"]) == set(table["part"]) == PARTS[name] and set(raw["prompt"]) == {0, 1, 2}
    means = raw[raw["comparison"] == NOISE].groupby(["part", "step"])["value"].mean()
    found = table.set_index(["part", "step"])[NOISE]
    pd.testing.assert_series_equal(found.sort_index(), means.sort_index(), check_names=False, rtol=1e-3)
    assert len(pd.read_csv(folder / "steps.csv")) == len(PARTS[name]) * 10 * 10
    assert len(pd.read_csv(folder / "candidates.csv")) == len(PARTS[name]) * 3 * 10 * 10

    module = importlib.import_module(f"experiments.{name}")
    config = compose_config([*module.overrides("mini"), *tiny_pair, *FAST])
    claims = module.claims(config, tmp_path)
    assert len(claims) == {"figure6": 4, "figure9": 2}[name]
    assert all("[" in claim.verdict.why and claim.ours for claim in claims)

    stamp = (folder / "differences.csv").stat().st_mtime_ns
    assert obclip("reproduce", name, "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert (folder / "differences.csv").stat().st_mtime_ns == stamp  # a finished run is not made again


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("pair", ["rv4-smallsd", "lcmsdxl-koala"])
def test_a_pair_without_weights_is_one_line_and_no_claim(
    name: str, pair: str, obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert_one_line_error(
        obclip("reproduce", name, "--pair", pair, "--leave-out", "-o", str(tmp_path)), "not whole", pair
    )
    module = importlib.import_module(f"experiments.{name}")
    claims = module.claims(compose_config([f"pair={pair}", *module.overrides(pair)]), tmp_path)
    assert {claim.verdict.word for claim in claims} == {NOT_TESTABLE}


@pytest.mark.parametrize("name", PARTS)
def test_one_prompt_has_nothing_to_be_compared_with(
    name: str, obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", name, "-o", str(tmp_path), *tiny_pair, "hybrid.steps=10", "dataset.limit=1")
    assert_one_line_error(run, "different prompts")


def test_the_findings_are_computed_from_the_table() -> None:
    rows = [
        {"part": part, "step": step, PREVIOUS: change, CANDIDATE: 0.1, NOISE: 0.5, PROMPT: 0.6}
        for part in ("self", "cross")
        for step, change in enumerate([float("nan"), 0.8, 0.5, 0.1])
    ]
    text = importlib.import_module("experiments.figure6").finding(pd.DataFrame(rows), 2, 3)
    assert "change by 0.800 a step before step 2 and by 0.300 after it (0.500 in steps 2..2" in text and "0.500" in text
    text = importlib.import_module("experiments.figure9").finding(pd.DataFrame(rows[:4]), 2, 3)
    assert "change by 0.800 a step before step 2 and by 0.300 after it (0.500 in steps 2..2" in text
