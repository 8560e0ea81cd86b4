"""Differences of methods of one run: by hand, and that shared noise drops out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from obclip_cli.evaluation.contrasts import combined, difference, independent, over_seeds
from obclip_cli.metrics.fid import fid, fid_estimate
from obclip_cli.metrics.intervals import Estimate


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two methods that share their noise, three images each."""
    noise = np.random.default_rng(0).normal(0, 5, 1000)
    fids = {"a": {"value": 12.0, "draws": (14 + noise).tolist()}, "b": {"value": 10.0, "draws": (11 + noise).tolist()}}
    (tmp_path / "metrics.json").write_text(json.dumps({"methods": {name: {"fid": fid} for name, fid in fids.items()}}))
    rows = [(m, seed, clip) for m, clips in {"a": (1, 2, 3), "b": (0, 2, 1)}.items() for seed, clip in enumerate(clips)]
    # Rows need not stand in the order of their seeds.
    pd.DataFrame(rows, columns=["method", "seed", "clip"])[::-1].to_csv(tmp_path / "results.csv", index=False)
    return tmp_path


def test_shared_noise_drops_out_of_a_difference_of_fids(run: Path) -> None:
    found = difference(run, "fid", "a", "b")
    assert found.value == pytest.approx(2) and found.high - found.low < 1e-9


def test_a_weighted_sum_of_fids_has_the_spread_of_its_draws(run: Path) -> None:
    """1 a - 0.5 b leaves half of the noise, whose standard deviation is 5."""
    found = combined(run, "fid", {"a": 1.0, "b": -0.5})
    assert found.value == pytest.approx(7)
    assert found.high - found.value == pytest.approx(1.96 * 2.5, rel=0.1)


def test_scores_of_images_are_paired_by_their_noise(run: Path) -> None:
    """By hand: 1-0, 2-2 and 3-1 have the mean 1; twice a less b has 2, 2 and 5."""
    assert difference(run, "clip", "a", "b").value == pytest.approx(1)
    found = combined(run, "clip", {"a": 2.0, "b": -1.0})
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 5))


def test_an_unknown_method_is_an_error(run: Path) -> None:
    for score in ("fid", "clip"):
        with pytest.raises(KeyError, match="c"):
            difference(run, score, "a", "c")


def test_draws_of_methods_are_of_the_same_images() -> None:
    """So that they can be subtracted one by one; their mean lies near the score."""
    real, generated = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).split(25)
    first, again = (fid_estimate(real, generated, np.random.default_rng([0, 0])).draws for _ in range(2))
    assert first == again and len(set(first)) > 100
    assert np.mean(first) == pytest.approx(fid(real, generated), abs=3 * np.std(first))


def test_where_no_image_changed_sides_the_interval_is_wilsons(run: Path) -> None:
    """Of three images none: Wilson's upper end is z^2 / (n + z^2) = 0.5615."""
    table = pd.read_csv(run / "results.csv").assign(gender=1)
    table.to_csv(run / "results.csv", index=False)
    found = difference(run, "gender", "a", "b")
    assert (found.value, found.low, found.high) == pytest.approx((0, -0.5615, 0.5615), abs=1e-4)


def test_the_interval_over_seeds_is_students_by_hand() -> None:
    """Mean 3, standard deviation 1.5811, four degrees of freedom: 3 ± 2.7764 * 1.5811 / sqrt(5)."""
    found = over_seeds([1, 2, 3, 4, 5])
    assert (found.value, found.low, found.high) == pytest.approx((3, 3 - 1.96324, 3 + 1.96324), abs=1e-4)
    assert pd.isna(over_seeds([1.0, float("nan"), 2.0]).low)  # a score that one seed lacks
    with pytest.raises(ValueError, match="at least two, there is 1"):
        over_seeds([1.0])


def test_variances_of_different_prompts_add() -> None:
    """Half widths of 3 and 4 make 5."""
    found = independent(Estimate(10, 7, 13), Estimate(4, 0, 8))
    assert (found.value, found.low, found.high) == pytest.approx((6, 1, 11))
