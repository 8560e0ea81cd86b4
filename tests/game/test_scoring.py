"""Guesses against truth."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from obclip_cli.game.scoring import LEAK, NOT_APPLICABLE, WITHIN, power, score, success, wilson


@pytest.mark.parametrize(("right", "trials"), [(0, 10), (3, 10), (10, 10), (160, 1600)])
def test_the_interval_is_wilsons(right: int, trials: int) -> None:
    expected = binomtest(right, trials).proportion_ci(method="wilson")
    assert wilson(right, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_ties_are_shared() -> None:
    assert success(np.array([0.5, 0.5, 0]), 0) == 0.5
    assert success(np.array([0.4, 0.6, 0]), 0) == 0.0
    assert success(np.full(4, 0.25), 3) == 0.25


@pytest.mark.parametrize(("right", "verdict"), [(0, WITHIN), (10, WITHIN), (14, WITHIN), (20, LEAK), (100, LEAK)])
def test_a_leak_is_an_interval_above_the_bound(right: int, verdict: str) -> None:
    """At 14 of 100 the interval still holds 0.1, by Wilson 0.085..0.221."""
    truth = pd.DataFrame({"place": [0] * 100, "bound": [0.1] * 100})
    guesses = [np.eye(10)[0 if i < right else 1] for i in range(100)]
    assert score(guesses, truth).verdict == verdict


def test_transcripts_without_a_guess_do_not_count() -> None:
    truth = pd.DataFrame({"place": [0, 1, 0], "bound": [0.5, 0.2, 0.1]})
    tried = score([np.array([1.0, 0.0]), None, np.array([1.0, 0.0])], truth)
    assert (tried.prompts, tried.success, tried.bound) == (2, 1.0, pytest.approx(0.3))
    none = score([None, None, None], truth)
    assert none.verdict == NOT_APPLICABLE and math.isnan(none.success)


def test_the_power_of_a_verdict_grows_with_the_prompts() -> None:
    few, many = power(0.1, 100), power(0.1, 640)
    assert few < 0.5 < 0.9 < many
    assert power(0.1, 640, excess=0.0) < 0.05  # a kept bound is seldom called a leak
