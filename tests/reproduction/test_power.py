"""How many prompts decide: the formula against runs that are drawn."""

import numpy as np
import pytest

from obclip_cli.metrics.intervals import NORMAL_QUANTILE, Estimate, of_spread
from obclip_cli.reproduction.claims import NOT_DECIDED, below
from obclip_cli.reproduction.power import POWER, Contrast, Counts, power_in_words


def test_four_runs_of_five_decide_what_is_said_to_be_decided() -> None:
    """Means of 100 normal values: their interval leaves 0 out in 80 % of runs at the smallest decided difference."""
    rng, prompts = np.random.default_rng(0), 100
    spread = 1 / np.sqrt(prompts)
    decides = Contrast("", of_spread(0.0, spread), 0.0, prompts).decides
    means = rng.normal(decides, spread, 20_000)
    assert np.mean(means - NORMAL_QUANTILE * spread > 0) == pytest.approx(POWER, abs=0.01)


def test_half_the_difference_takes_four_times_the_prompts() -> None:
    one, half = (Contrast("", Estimate(value, value - 1, value + 1), 0.0, 75) for value in (0.4, 0.2))
    assert half.would_take == pytest.approx(4 * one.would_take, rel=0.01)
    assert one.would_take == pytest.approx(75 * (one.decides / 0.4) ** 2, rel=0.01)


def test_what_is_undecided_says_what_it_would_take() -> None:
    verdict = below(Estimate(0.1, -0.5, 0.7), 0.0, "FID", 50)
    assert verdict.word == NOT_DECIDED and "50 prompts decide a difference of 0.86" in verdict.why
    assert f"would take {Contrast('', Estimate(0.1, -0.5, 0.7), 0.0, 50).would_take:,}" in verdict.why
    assert "prompts" not in below(Estimate(0.1, -0.5, 0.7), 0.0, "FID").why


def test_what_lies_on_the_other_side_is_held_against_what_counts() -> None:
    """0.1 worse is 0.4 away from an advantage of 0.3 that counts, and 0.1 better is 0.1 away from none."""
    worse, better = Estimate(0.1, -0.5, 0.7), Estimate(-0.1, -0.7, 0.5)
    held = {each: Contrast("", each, 0.0, 50, counts=Counts.by(0.3, each, "0.3")) for each in (worse, better)}
    assert held[worse].would_take == Contrast("", Estimate(0.4, -0.2, 1.0), 0.0, 50).would_take
    assert held[better].would_take == Contrast("", better, 0.0, 50).would_take


def test_what_does_not_vary_has_no_power() -> None:
    assert power_in_words(Contrast("", Estimate(0.0, 0.0, 0.0), 0.0, 9), undecided=True) == ""
