"""Figures 6 and 9: differences over steps and between candidates, by hand and on a tiny pair; what is concluded."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments import redundancy
from experiments.redundancy import CANDIDATE, NOISE, PREVIOUS, PROMPT
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, NOT_TESTABLE
from obclip_cli.reproduction.recording import DeepestFeatures
from tests.conftest import Run, assert_one_line_error
from tests.experiments.conftest import Reproduced

Obclip = Callable[..., Run]
PARTS = {"figure6": {"self", "cross"}, "figure9": {"features"}}


def configured(name: str, *overrides: str) -> Config:
    return compose_config([f"experiment={name}", *overrides])


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


@pytest.mark.parametrize("name", PARTS)
def test_curves_are_means_over_prompts_of_what_the_run_holds(name: str, reproduced: Reproduced) -> None:
    run = redundancy.run_of(reproduced.config(name), reproduced.folder)
    raw, table = pd.read_csv(run / "differences.csv"), reproduced.table(name)
    assert set(raw["part"]) == set(table["part"]) == PARTS[name] and set(raw["prompt"]) == {0, 1, 2}
    means = raw.groupby(["part", "step", "comparison"])["value"].mean().unstack()
    low, found, high = (
        table.set_index(["part", "step"])[[f"{comparison}{end}" for comparison in redundancy.COMPARISONS]]
        for end in ("_low", "", "_high")
    )
    pd.testing.assert_frame_equal(found.sort_index(), means[[*redundancy.COMPARISONS]], check_names=False, rtol=1e-3)
    assert (
        (low.to_numpy() <= found.to_numpy()) & (found.to_numpy() <= high.to_numpy()) | found.isna().to_numpy()
    ).all()
    first = found.xs(0, level="step")
    assert first[PREVIOUS].isna().all() and first[[CANDIDATE, NOISE, PROMPT]].notna().all(axis=None)


@pytest.mark.parametrize("name", PARTS)
def test_every_claim_has_figures_and_intervals(name: str, reproduced: Reproduced) -> None:
    claims = reproduced.claims(name)
    assert all("[" in claim.verdict.why and claim.ours for claim in claims)
    assert len({claim.claim for claim in claims}) == len(claims) > 1


@pytest.mark.parametrize("name", PARTS)
def test_without_curves_nothing_is_claimed(name: str, tmp_path: Path) -> None:
    for pair in ("rv4-smallsd", "lcmsdxl-koala"):
        claims = redundancy.claims(configured(name, f"pair={pair}", "hybrid.switch_point=4"), tmp_path)
        assert {claim.verdict.word for claim in claims} == {NOT_TESTABLE}


def test_one_prompt_has_nothing_to_be_compared_with(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("reproduce", "figure9", "-o", str(tmp_path), *tiny_pair, "hybrid.steps=10", "dataset.limit=1")
    assert_one_line_error(run, "different prompts")


def hand_made(changes: list[float], near: float = 0, far: float = 1) -> pd.DataFrame:
    """`differences.csv` of three prompts that differ a little."""
    rows = []
    for prompt in range(3):
        for step, change in enumerate(changes):
            values = {CANDIDATE: near, NOISE: far, PROMPT: far} | ({PREVIOUS: change} if step else {})
            for comparison, value in values.items():
                rows.append((prompt, "self", comparison, step, value + 0.01 * prompt * (comparison != CANDIDATE)))
    return pd.DataFrame(rows, columns=["prompt", "part", "comparison", "step", "value"])


@pytest.mark.parametrize(
    ("changes", "later", "word"),
    [
        ([0, 0.9, 0.8, 0.1, 0.2], range(3, 5), HOLDS),
        ([0, 0.1, 0.1, 0.5, 0.5], range(3, 5), DOES_NOT_HOLD),
        ([0, 0.9, 0.8], range(3, 3), NOT_TESTABLE),
        # Only the given steps count as after.
        ([0, 0.5, 0.5, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0], range(3, 9), HOLDS),
        ([0, 0.5, 0.5, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0], range(3, 5), DOES_NOT_HOLD),
    ],
)
def test_whether_steps_settle_is_computed(changes: list[float], later: range, word: str) -> None:
    verdict, ours = redundancy.is_lower(hand_made(changes), "self", (PREVIOUS, later), (PREVIOUS, range(1, 3)))
    assert verdict.word == word
    assert (ours == "") == (word == NOT_TESTABLE)


@pytest.mark.parametrize(
    ("near", "far", "word"), [(0.1, 0.5, HOLDS), (0.6, 0.2, DOES_NOT_HOLD), (0.1, 0.09, NOT_DECIDED)]
)
def test_whether_candidates_are_closer_is_computed(near: float, far: float, word: str) -> None:
    steps = range(3)
    verdict, _ = redundancy.is_lower(hand_made([0, 1, 1], near, far), "self", (CANDIDATE, steps), (NOISE, steps))
    assert verdict.word == word


@pytest.mark.parametrize(
    ("pair", "name", "expected"),
    [
        ("mini", "figure6", {3: 5, 4: 10}),
        ("mini", "figure9", {3: 5, 6: 10}),
        ("lcmsdxl-koala", "figure6", {2: 4}),
        ("lcmsdxl-koala", "figure9", {}),
    ],
)
def test_points_are_the_papers(pair: str, name: str, expected: dict[int, int]) -> None:
    own = ["hybrid.switch_point=4"] if pair != "mini" else []
    assert redundancy.points_of(configured(name, f"pair={pair}", *own)) == expected
