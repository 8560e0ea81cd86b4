"""Image-to-image: what the two tables conclude, by hand, and both on a tiny pair."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.image_to_image import ALONE, OURS, ROLE, Run
from experiments.noised_latent import ALONE as LATENT
from experiments.noised_latent import curve, drop, guessed
from obclip_cli.metrics.intervals import Estimate
from tests.experiments.conftest import Reproduced


def by_hand(fid: float) -> Run:
    """A way of likeness 22 between those of the device alone, 20 and 24 with an FID of 8 and 6."""
    rows = [(ALONE, 20.0, 8.0, [0, 0, 1, 1]), (ALONE, 24.0, 6.0, [0, 1, 1, 1]), (OURS, 22.0, fid, [1, 1, 1, 1])]
    table = pd.concat(
        [
            pd.DataFrame({"row": place, "place": range(4), "likeness": likeness, ROLE: hits})
            for place, (_, likeness, _, hits) in enumerate(rows)
        ]
    )
    fids = [Estimate(value, value - 1, value + 1, (value - 0.5, value, value + 0.5)) for _, _, value, _ in rows]
    return Run([{"way": name, "strength": 0.6, "cells": 8} for name, *_ in rows], table, fids)


def test_scores_are_compared_at_equal_likeness() -> None:
    found = by_hand(fid=6.5)
    assert found.against(2, "fid").value == pytest.approx(6.5 - 7.0)
    assert found.against(2, ROLE).value == pytest.approx(1 - (0.5 + 0.75) / 2)
    found.table.loc[found.table["row"] == 2, "likeness"] = 30.0  # more than the device alone has
    assert np.isnan(found.against(2, "fid").value)
    assert found.claim("fid").verdict.word == "not testable here"


@pytest.mark.parametrize(
    ("fid", "word"), [(6.5, "Worth using"), (9.0, "Not worth using"), (7.0, "Not worth using as far")]
)
def test_the_sentence_follows_the_intervals(fid: float, word: str) -> None:
    assert by_hand(fid).verdict().startswith(word)


def test_a_curve_says_from_where_nothing_is_told() -> None:
    value = np.repeat(["female", "male"], 20)
    told = pd.DataFrame({"strength": 0.5, "place": range(40), "read": value, "value": value})
    all_men = told.assign(strength=1.0, read="male")
    found = pd.concat([told, all_men]).assign(way=LATENT, attribute="gender")
    assert "from strength 1 on" in drop(curve(found), "gender")


def test_no_picture_is_read_by_a_classifier_that_was_trained_on_it() -> None:
    seen, values = np.eye(20), np.array(["a", "b"] * 10)
    assert (guessed(seen, values) == values).mean() < 0.7  # each picture says itself, and nothing of the others


@pytest.mark.slow
def test_both_are_written_and_claim_something(reproduced: Reproduced, tmp_path: Path) -> None:
    made = reproduced.elsewhere("image_to_image", tmp_path)
    table = made.table("image_to_image")
    assert {*table["way"]} >= {ALONE, OURS} and table["likeness"].notna().all()
    claims = [*made.claims("image_to_image"), *reproduced.claims("noised_latent")]
    assert len(claims) == 2 + 2 and all(claim.verdict.why for claim in claims)
