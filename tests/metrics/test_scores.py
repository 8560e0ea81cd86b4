"""Each score against an independent, slow computation."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg

from obclip_cli.metrics.attribute_accuracy import attribute_accuracy
from obclip_cli.metrics.clip_score import clip_score
from obclip_cli.metrics.fid import fid
from obclip_cli.metrics.inception_score import inception_score


def features(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_equals_the_formula_with_scipys_matrix_root() -> None:
    real, generated = features(0, 300), features(1, 200, shift=0.5)
    a, b = real.double().numpy(), generated.double().numpy()
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert fid(real, generated) == pytest.approx(expected, abs=1e-3)


def test_fid_is_zero_for_equal_sets_and_grows_with_distance() -> None:
    real = features(0, 300)
    assert fid(real, real.clone()) == pytest.approx(0, abs=1e-6)
    assert fid(real, features(1, 300, 1.0)) < fid(real, features(1, 300, 2.0))


def test_inception_score_equals_its_formula() -> None:
    logits = 3 * features(2, 100)
    chances = logits.double().softmax(1)
    divergence = (chances * (chances.log() - chances.mean(0, keepdim=True).log())).sum(1).mean()
    assert inception_score(logits) == pytest.approx(float(divergence.exp()), rel=1e-4)


def test_clip_score_is_the_mean_cosine() -> None:
    unit = torch.eye(4)
    assert clip_score(unit, unit) == pytest.approx(1)
    assert clip_score(unit, unit.roll(1, 0)) == pytest.approx(0)


def test_attribute_accuracy_counts_only_what_was_asked_for() -> None:
    logits = torch.tensor([[3.0, 1, 2], [0, 1, 2], [5, 0, 1], [0, 0, 1]])
    wanted = ["a", "b", None, "unknown"]
    assert attribute_accuracy(logits, wanted, ["a", "b", "c"]) == 0.5
    assert attribute_accuracy(logits, wanted, ["a", "b", "c"], top=2) == 1.0
    assert math.isnan(attribute_accuracy(logits, [None] * 4, ["a", "b", "c"]))
