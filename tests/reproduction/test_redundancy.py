"""Differences over steps and between candidates: by hand, and what is concluded from them."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.reproduction import redundancy
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.recording import DeepestFeatures
from obclip_cli.reproduction.redundancy import CANDIDATE, NOISE, PREVIOUS, PROMPT


def features(*rows: float) -> dict[str, list[torch.Tensor]]:
    """One step's features: one number a row."""
    return {"features": [torch.tensor(rows).reshape(-1, 1, 1, 1)]}


def test_differences_by_hand() -> None:
    """||A - B|| / ||B||: B is the first candidate, or the step before (the mean of both candidates)."""
    steps = [features(1.0, 2.0, 3.0, 5.0), features(2.0, 2.0, 1.0, 2.0)]
    found = pd.DataFrame(redundancy.differences(steps, DeepestFeatures()))
    values = found.set_index(["comparison", "step"])["value"].to_dict()
    expected = {(CANDIDATE, 0): 1.0, (NOISE, 0): 2.0, (PROMPT, 0): 4.0, (PREVIOUS, 1): 0.5}
    assert values == expected | {(CANDIDATE, 1): 0.0, (NOISE, 1): 0.5, (PROMPT, 1): 0.0}


def test_heat_maps_by_hand() -> None:
    maps = redundancy.heat_maps([features(1.0, 4.0), features(2.0, 1.0)], DeepestFeatures())
    over_steps = maps["steps"].pivot(index="step", columns="other", values="value")
    assert over_steps.to_numpy().tolist() == [[0.0, 0.5], [1.0, 0.0]]
    first = maps["candidates"][maps["candidates"]["step"] == 0]
    assert first.pivot(index="candidate", columns="other", values="value").to_numpy().tolist() == [[0, 0.75], [3, 0]]


def stored(folder: Path, changes: list[float], near: float, far: float) -> Path:
    """A run of three prompts that differ a little."""
    rows = []
    for prompt in range(3):
        for step, change in enumerate(changes):
            values = {CANDIDATE: near, NOISE: far, PROMPT: far} | ({PREVIOUS: change} if step else {})
            for comparison, value in values.items():
                rows.append((prompt, "self", comparison, step, value + 0.01 * prompt * (comparison != CANDIDATE)))
    columns = ["prompt", "part", "comparison", "step", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "differences.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("changes", "word"),
    [([0, 0.9, 0.8, 0.1, 0.2], HOLDS), ([0, 0.1, 0.1, 0.5, 0.5], DOES_NOT_HOLD), ([0, 0.9, 0.8], NOT_TESTABLE)],
)
def test_whether_steps_settle_is_computed(tmp_path: Path, changes: list[float], word: str) -> None:
    verdict, ours = redundancy.settles(stored(tmp_path, changes, 0, 1), "self", 3, len(changes))
    assert verdict.word == word
    assert (ours == "") == (word == NOT_TESTABLE)


@pytest.mark.parametrize(("near", "far", "word"), [(0.1, 0.5, HOLDS), (0.6, 0.2, DOES_NOT_HOLD)])
def test_whether_candidates_are_closer_is_computed(tmp_path: Path, near: float, far: float, word: str) -> None:
    run = stored(tmp_path, [0, 1, 1, 1], near, far)
    assert redundancy.closer_than(run, "self", NOISE, range(3))[0].word == word


def test_only_the_given_steps_count_as_after(tmp_path: Path) -> None:
    run = stored(tmp_path, [0, 0.5, 0.5, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0], 0, 1)
    assert redundancy.settles(run, "self", 3, 9)[0].word == HOLDS
    assert redundancy.settles(run, "self", 3, 5)[0].word == DOES_NOT_HOLD


def test_curves_are_means_over_prompts(tmp_path: Path) -> None:
    table = redundancy.curves(stored(tmp_path, [0, 0.5], 0.2, 0.4)).set_index("step")
    assert table.loc[1, PREVIOUS] == pytest.approx(0.51) and table.loc[0, CANDIDATE] == pytest.approx(0.2)
    assert pd.isna(table.loc[0, PREVIOUS])
    assert table.loc[1, f"{NOISE}_low"] <= table.loc[1, NOISE] <= table.loc[1, f"{NOISE}_high"]


@pytest.mark.parametrize(
    ("pair", "point", "expected"),
    [
        ("mini", "cache_point", {3: 5, 4: 10}),
        ("mini", "skip_point", {3: 5, 6: 10}),
        ("lcmsdxl-koala", "cache_point", {2: 4}),
        ("lcmsdxl-koala", "skip_point", {}),
    ],
)
def test_points_are_the_papers(pair: str, point: str, expected: dict[int, int]) -> None:
    config = compose_config([f"pair={pair}", "hybrid.switch_point=4"])
    assert redundancy.points(config, point) == expected
