"""Fairness: groups are counted apart, and the pivot's advantage is seen where it is planted."""

from itertools import product

import pandas as pd
import pytest

from experiments.fairness import AT_K, DEVIATION, advantage, by_group
from tests.experiments.conftest import Reproduced

ATTRIBUTES = {"gender": ("male", "female"), "tone": ("light", "dark"), "age": ("young",)}


def table() -> pd.DataFrame:
    """Two sets of four; with the pivot every woman deviates by 0.3, a man by 0.1, and one dark woman in two is lost."""
    rows = []
    for row, (number, (gender, tone)) in product(
        ("plain", "first"), enumerate(list(product(*list(ATTRIBUTES.values())[:2])) * 2)
    ):
        woman, lost = gender == "female", row == "first" and number == 3
        away = 0.0 if row == "plain" else 0.3 if woman else 0.1
        read = {"gender_right": not lost, "tone_right": True}
        where = {"row": row, "place": number, "set": number // 4, "gender": gender, "tone": tone}
        rows.append(where | read | {AT_K: away / 2, DEVIATION: away})
    return pd.DataFrame(rows)


def test_groups_are_counted_apart() -> None:
    found = by_group(table(), ATTRIBUTES).set_index(["method", "value"])
    assert list(found.loc["first"].index) == ["male", "female", "light", "dark"]
    assert found.loc[("first", "male"), ["right", "change", DEVIATION, AT_K]].tolist() == [1, 0, 0.1, 0.05]
    assert found.loc[("first", "female"), ["right", "change", DEVIATION, AT_K]].tolist() == [0.75, -0.25, 0.3, 0.15]
    assert found.loc[("first", "dark"), DEVIATION] == 0.2 and pd.isna(found.loc[("plain", "dark"), DEVIATION])


def test_the_first_values_advantage_is_over_sets() -> None:
    assert advantage(table(), "first", "gender", "male").tolist() == pytest.approx([0.2, 0.2])
    assert advantage(table(), "first", "tone", "light").tolist() == pytest.approx([0, 0])


def test_pivots_differ_in_reuse_only(reproduced: Reproduced) -> None:
    found = reproduced.table("fairness")
    methods = list(found["method"].unique())
    assert [name.rpartition(", ")[2] for name in methods[1:]] == ["cache", "first", "public"]
    assert found.groupby("method")["images"].nunique().eq(found["images"].nunique()).all()
    assert found[found["method"] != methods[0]][DEVIATION].gt(0).all()
