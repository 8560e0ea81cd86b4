"""λ: the split, the draw, and what both give away, against slow counting."""

import itertools
import math

import numpy as np
import pytest

from obclip_cli.errors import UserError
from obclip_cli.prompts import decoys
from obclip_cli.prompts.decoys import (
    agreement,
    attribute_lambdas,
    attribute_successes,
    fewest,
    gumbel_lambda,
    gumbel_successes,
    gumbel_top,
    keyed_gumbel,
    largest_epsilon,
    set_probabilities,
)

TEN = tuple(itertools.product(("male", "female"), ("1", "2", "3", "4", "5")))
THIRTY = tuple(itertools.product("ab", "abc", "abcde"))


@pytest.mark.parametrize(
    ("n", "lambda_", "m"),
    [(10, 0, 10), (10, 0.1, 5), (30, 0.1, 8), (5, 0.3, 2), (10, 0.9, 1), (2, 0.3, 2), (1, 0.5, 1)],
)
def test_fewest_is_the_smallest_m_within_lambda(n: int, lambda_: float, m: int) -> None:
    assert fewest(n, lambda_) == m
    assert n == 1 or 1 / m <= 1 / n + lambda_ + 1e-12
    assert m == 1 or 1 / (m - 1) > 1 / n + lambda_


@pytest.mark.parametrize("lambda_", [-0.1, 0.91, 1.0])
def test_lambda_out_of_range_names_what_is_allowed(lambda_: float) -> None:
    with pytest.raises(UserError, match=r"0\.\.0\.9"):
        fewest(10, lambda_)


def test_set_probabilities_match_counting_every_order() -> None:
    weights = np.exp(1.3 * agreement(TEN[:6]))
    masks, chances = set_probabilities(weights, 3)
    for p in (0, 4):
        for mask, chance in zip(masks, chances[:, p], strict=True):
            places = [i for i in range(6) if mask >> i & 1]
            slow = 0.0
            for order in itertools.permutations(places):
                left, product = weights[p].sum(), 1.0
                for i in order:
                    product *= weights[p, i] / left
                    left -= weights[p, i]
                slow += product
            assert math.isclose(chance, slow, rel_tol=1e-12)
    np.testing.assert_allclose(chances.sum(axis=0), 1)


def test_gumbel_top_draws_as_plackett_luce_says() -> None:
    scores = np.log(np.array([4.0, 1.0, 1.0, 2.0]))
    masks, chances = set_probabilities(np.exp(scores)[None], 2)
    draws = [gumbel_top(scores, keyed_gumbel(b"k" * 32, (str(i),), 4), 2) for i in range(4000)]
    seen = [sum(1 << place for place in draw) for draw in draws]
    for mask, (chance,) in zip(masks, chances, strict=True):
        # Five standard deviations of 4,000 draws at most.
        assert abs(seen.count(mask) / 4000 - chance) < 5 * math.sqrt(0.25 / 4000)


def test_lambda_of_a_draw_is_what_the_best_guesser_gains() -> None:
    """Exact against a simulated server that knows everything but the key."""
    n, m, epsilon = len(TEN), 4, 3.0
    masks, chances = set_probabilities(np.exp(epsilon * agreement(TEN)), m)
    best = dict(zip(masks.tolist(), chances.argmax(axis=1).tolist(), strict=True))
    right = 0
    for trial in range(3000):
        draw = gumbel_top(epsilon * agreement(TEN)[trial % n], keyed_gumbel(b"k" * 32, (str(trial),), n), m)
        right += best[sum(1 << place for place in draw)] == trial % n
    assert abs(right / 3000 - (1 / n + gumbel_lambda(TEN, m, epsilon))) < 5 * math.sqrt(0.25 / 3000)


def test_lambda_grows_from_zero_and_the_bound_is_never_below_the_exact_value() -> None:
    exact = [gumbel_lambda(TEN, 4, epsilon) for epsilon in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert exact == sorted(exact) and exact[0] == pytest.approx(0, abs=1e-12)
    for epsilon, value in zip((0.5, 1.0, 2.0), exact[1:4], strict=True):
        assert value <= 1 / (1 + 9 * math.exp(-2 * epsilon * 4)) - 1 / 10
    assert gumbel_lambda(THIRTY, 8, 0.001) == pytest.approx(1 / (1 + 29 * math.exp(-0.016)) - 1 / 30)


@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_bounds_from_draws_lie_just_above_the_exact_values(monkeypatch: pytest.MonkeyPatch, epsilon: float) -> None:
    exact = np.array(gumbel_successes.__wrapped__(TEN, 4, epsilon))
    monkeypatch.setattr(decoys, "ENUMERABLE", 0)
    drawn = np.array(gumbel_successes.__wrapped__(TEN, 4, epsilon))
    assert ((exact < drawn) & (drawn < exact + 0.015)).all()


def test_above_sixteen_a_draw_keeps_the_prompt_much_more_often_than_a_blind_one() -> None:
    """With composition alone it was 0.28 of 0.27 at λ = 0.1."""
    m = fewest(30, 0.1)
    epsilon = largest_epsilon(THIRTY, m, 0.1)
    assert 0.09 < gumbel_lambda(THIRTY, m, epsilon) <= 0.1
    likeness = agreement(THIRTY)[0]
    kept = [0 in gumbel_top(epsilon * likeness, keyed_gumbel(b"k" * 32, (str(i),), 30), m) for i in range(1000)]
    assert np.mean(kept) > 0.4 > 8 / 30


def test_each_attributes_lambda_is_over_its_blind_guess_and_of_the_worst_person() -> None:
    slots = {(0, "gender"): "male", (1, "gender"): "male"}
    values = (("male", "male"), ("male", "female"), ("female", "male"), ("female", "female"))
    posterior = np.array([0.4, 0.4, 0.1, 0.1])
    assert attribute_lambdas(slots, values, attribute_successes(values, posterior)) == pytest.approx({"gender": 0.3})


@pytest.mark.parametrize("lambda_", [0.05, 0.1, 0.3])
def test_the_largest_epsilon_keeps_lambda_and_uses_it_up(lambda_: float) -> None:
    epsilon = largest_epsilon(TEN, fewest(10, lambda_), lambda_)
    reached = gumbel_lambda(TEN, fewest(10, lambda_), epsilon)
    assert lambda_ - 1e-4 < reached <= lambda_
