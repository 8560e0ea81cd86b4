"""λ: the split, the draw, and what both give away, against slow counting."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from obclip_cli.errors import UserError
from obclip_cli.prompts.decoys import (
    agreement,
    blocks,
    fewest,
    gumbel_lambda,
    gumbel_top,
    keyed_gumbel,
    largest_epsilon,
    set_probabilities,
)

TEN = tuple(itertools.product(("male", "female"), ("1", "2", "3", "4", "5")))
NAMES = ("gender", "tone")


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


@given(n=st.integers(1, 60), least=st.integers(1, 60), key=st.binary(min_size=32, max_size=32))
def test_blocks_are_a_balanced_partition_and_none_is_too_small(n: int, least: int, key: bytes) -> None:
    least = min(least, n)
    split = blocks(("x",), tuple((str(i),) for i in range(n)), least, key)
    assert sorted(itertools.chain(*split)) == list(range(n))
    sizes = {len(block) for block in split}
    assert min(sizes) >= least and max(sizes) - min(sizes) <= 1
    assert len(split) == n // least


def test_the_split_depends_on_the_key_and_on_nothing_else() -> None:
    first, again, other = (blocks(NAMES, TEN, 5, key) for key in (b"a" * 32, b"a" * 32, b"b" * 32))
    assert first == again != other
    drawn = [tuple(blocks(NAMES, TEN, 5, bytes([i]) * 32)[0]) for i in range(200)]
    together = [sum((0 in block) == (place in block) for block in drawn) / 200 for place in range(1, 10)]
    # Any two of ten fall into one block of five with chance 4/9; four standard deviations of 200 draws are 0.14.
    assert all(abs(share - 4 / 9) < 0.14 for share in together)


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
    thirty = tuple(itertools.product("ab", "abc", "abcde"))
    assert gumbel_lambda(thirty, 8, 0.01) == pytest.approx(1 / (1 + 29 * math.exp(-0.16)) - 1 / 30)


@pytest.mark.parametrize("lambda_", [0.05, 0.1, 0.3])
def test_the_largest_epsilon_keeps_lambda_and_uses_it_up(lambda_: float) -> None:
    epsilon = largest_epsilon(TEN, fewest(10, lambda_), lambda_)
    reached = gumbel_lambda(TEN, fewest(10, lambda_), epsilon)
    assert lambda_ - 1e-4 < reached <= lambda_
