"""FID of infinitely many images: near the true distance where the FID of few is not."""

import math

import numpy as np
import pytest
import torch

from obclip_cli.metrics.fid import fid
from obclip_cli.metrics.fid_infinity import fid_infinity_estimate
from obclip_cli.metrics.judge_distance import judge_distances

WIDTH, SHIFT = 8, 0.5
TRUE = WIDTH * SHIFT**2  # of unit normals that are a shift apart


def drawn(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed)) + shift


def test_it_takes_off_what_few_images_add() -> None:
    few, many = ((drawn(1, 2 * n), drawn(2, n, SHIFT)) for n in (80, 800))
    extrapolated = fid_infinity_estimate(*few, np.random.default_rng(0))
    assert fid(*few) > fid(*many) > TRUE
    assert abs(extrapolated.value - TRUE) < abs(fid(*few) - TRUE)
    assert extrapolated.low < TRUE < extrapolated.high


def test_methods_are_resampled_alike() -> None:
    references, images = drawn(1, 120), drawn(2, 60)
    one, again = (fid_infinity_estimate(references, images, np.random.default_rng(0)) for _ in range(2))
    assert one.draws == again.draws and len(set(one.draws)) > 100


def test_too_few_images_say_nothing() -> None:
    for count, unknown in ((2 * WIDTH, True), (2 * WIDTH + 2, False)):
        found = fid_infinity_estimate(drawn(1, 100), drawn(2, count), np.random.default_rng(0))
        assert math.isnan(found.value) == unknown


def test_the_judges_distance_is_one_less_the_cosine_and_exactly_0_of_equal_images() -> None:
    ours, theirs = (torch.nn.functional.normalize(drawn(seed, 5), dim=1) for seed in (1, 2))
    expected = 1 - torch.nn.functional.cosine_similarity(ours, theirs)
    assert judge_distances(ours, theirs).tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert judge_distances(ours, ours).tolist() == [0.0] * 5
    assert judge_distances(ours, None).isnan().all()
