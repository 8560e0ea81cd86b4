"""Intervals cover what they should, and are never narrower than what is known."""

import math

import numpy as np
import pytest
import torch

from obclip_cli.metrics.fid import fid, fid_estimate, resampled_fids
from obclip_cli.metrics.inception_score import inception_score_estimate, resampled_scores
from obclip_cli.metrics.intervals import of_mean, of_share, of_spread
from obclip_cli.metrics.kid import kid_estimate

TRIALS = 60
# Of 60 trials at 95 %, fewer than 50 hits have a chance of 1 in 4000: an interval that is half too narrow (67 %) fails.
LEAST = 50


def test_an_interval_of_a_mean_covers_the_mean() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(TRIALS):
        found = of_mean(rng.exponential(2.0, 80), rng)
        assert found.low < found.value < found.high
        hits += found.low <= 2.0 <= found.high
    assert hits >= LEAST


def test_unknown_values_do_not_count() -> None:
    rng = np.random.default_rng(0)
    assert of_mean(np.array([1.0, np.nan, 3.0]), rng).value == 2
    assert of_share(np.array([1.0, np.nan, 0.0, 1.0])).value == pytest.approx(2 / 3)
    assert math.isnan(of_mean(np.array([np.nan]), rng).value) and math.isnan(of_share(np.array([])).low)


def test_a_share_of_all_is_not_certain() -> None:
    found = of_share(np.ones(20))
    assert found.value == found.high == 1 and 0.8 < found.low < 0.9  # Wilson: 20 / (20 + 1.96^2)
    assert found.low == pytest.approx(20 / (20 + 1.96**2), abs=1e-3)


def test_a_spread_is_put_around_the_score() -> None:
    found = of_spread(10.0, 1.0)
    assert (found.low, found.high) == pytest.approx((8.04, 11.96), abs=0.01)
    assert of_spread(1.0, 1.0, least=0.0).low == 0


def draw(rng: np.random.Generator, count: int, width: int = 4) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=(count, width)))


def test_the_resampling_formula_is_torchmetrics_fid() -> None:
    """A resample that takes every image once is the set itself."""
    rng = np.random.default_rng(0)
    real, generated = draw(rng, 300), draw(rng, 200) + 0.5

    class Once:
        def multinomial(self, count: int, _: np.ndarray) -> np.ndarray:
            return np.ones(count)

    once = resampled_fids(real, generated, Once())  # type: ignore[arg-type]
    assert once[0] == pytest.approx(fid(real, generated), abs=1e-6)


@pytest.mark.parametrize("score", [fid_estimate, kid_estimate], ids=["fid", "kid"])
def test_intervals_of_distances_cover_their_mean_over_many_sets(score) -> None:  # type: ignore[no-untyped-def]
    """The interval is of the score at this number of images, against one reference set."""
    rng = np.random.default_rng(1)
    real = draw(rng, 2000)
    shift = torch.tensor([0.8, 0, 0, 0])
    found = [score(real, draw(rng, 150) + shift, rng) for _ in range(TRIALS)]
    centre = np.mean([estimate.value for estimate in found])
    assert sum(estimate.low <= centre <= estimate.high for estimate in found) >= LEAST


def test_intervals_of_inception_scores_cover_their_mean_over_many_sets() -> None:
    rng = np.random.default_rng(2)
    found = [inception_score_estimate(3 * draw(rng, 150), rng) for _ in range(TRIALS)]
    centre = np.mean([estimate.value for estimate in found])
    assert sum(estimate.low <= centre <= estimate.high for estimate in found) >= LEAST
    assert len(resampled_scores(draw(rng, 10), rng)) == 200


def test_more_images_give_a_narrower_interval() -> None:
    rng = np.random.default_rng(3)
    real = draw(rng, 2000)
    few, many = (fid_estimate(real, draw(rng, count) + 0.5, rng) for count in (50, 1000))
    assert many.high - many.low < (few.high - few.low) / 2
