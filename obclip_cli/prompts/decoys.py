"""Which candidates S of P are sent, and what S gives away: λ. Public mathematics; the key comes from the client.

Success is the largest Pr[guess = p*] over all adversaries, for p* uniform on P with |P| = N. A choice of S is
λ-oblivious if success <= 1/N + λ. Sending P itself has λ = 0 (arXiv 2510.04153, Theorem 1).
"""

import hashlib
import hmac
import itertools
import json
import math
from fractions import Fraction
from functools import cache

import numpy as np

from obclip_cli.config import MAX_EPSILON
from obclip_cli.errors import UserError
from obclip_cli.prompts.canonical import Assignment
from obclip_cli.prompts.taxonomy import Taxonomy, Values

# Up to this N the sets of one size are enumerated; 16 candidates have at most 12,870 of them.
ENUMERABLE = 16


def candidate_values(slots: Assignment, taxonomy: Taxonomy) -> tuple[Values, ...]:
    """Each candidate's values, in the order of the slots and of the candidates."""
    return tuple(itertools.product(*(taxonomy.attributes[attribute] for _, attribute in slots)))


def fewest(n: int, lambda_: float) -> int:
    """The smallest M with 1/M <= 1/N + λ. A prompt without attributes has N = M = 1 at every λ.

    Raises:
        UserError: λ lies outside [0, 1 - 1/N].
    """
    if n == 1:
        return 1
    # As typed: 0.1 is one tenth here, not the nearest binary number.
    allowed = Fraction(str(lambda_))
    if not 0 <= allowed <= 1 - Fraction(1, n):
        raise UserError(
            f"privacy.lambda={lambda_} must lie in 0..{1 - 1 / n:.4g}: this prompt has N = {n} candidates, "
            "and beyond 1 - 1/N it would be sent in the clear"
        )
    return math.ceil(1 / (Fraction(1, n) + allowed))


def blocks(attributes: tuple[str, ...], values: tuple[Values, ...], least: int, key: bytes) -> list[list[int]]:
    """Split the candidates into blocks of at least `least`, by a keyed hash of their values only.

    As many blocks as there can be, of sizes that differ by one at most. The split is the same for every prompt with
    these attributes, so asking again or in other words shows the same block.

    Args:
        attributes: what the prompt states, one name a slot.
        values: one tuple a candidate.

    Returns:
        places in `values`, ascending in each block.
    """
    order = sorted(range(len(values)), key=lambda place: keyed_hash(key, "bucket", attributes, values[place]))
    parts = np.array_split(order, max(1, len(order) // least))
    return [sorted(int(place) for place in part) for part in parts]


def block_lambda(m: int, n: int) -> float:
    """λ of a set of M in which every member is equally likely: 1/M - 1/N."""
    return 1 / m - 1 / n


def keyed_hash(key: bytes, *message: object) -> bytes:
    """HMAC-SHA256 of a message, written as JSON so that no two messages are alike."""
    return hmac.new(key, json.dumps(message, ensure_ascii=True).encode(), hashlib.sha256).digest()


def keyed_gumbel(key: bytes, template: tuple[str, ...], count: int) -> np.ndarray:
    """Standard Gumbel numbers (count,) that the key and the template fix."""
    hashes = [keyed_hash(key, "gumbel", template, place) for place in range(count)]
    uniform = np.array([(int.from_bytes(digest[:8], "big") + 0.5) / 2**64 for digest in hashes])
    return -np.log(-np.log(uniform))


def gumbel_top(scores: np.ndarray, noise: np.ndarray, m: int) -> list[int]:
    """M places drawn without replacement with chances exp(score) (Gumbel top-M), ascending.

    Args:
        scores, noise: (N,); `noise` standard Gumbel.
    """
    return sorted(int(place) for place in np.argsort(-(scores + noise), kind="stable")[:m])


def agreement(values: tuple[Values, ...]) -> np.ndarray:
    """u(p, p') in [0, 1]: the share of attributes in which two candidates agree, (N, N)."""
    table = np.array(values, dtype=object).reshape(len(values), -1)
    return (table[:, None, :] == table[None, :, :]).mean(axis=2, dtype=float)


def set_probabilities(weights: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """P(S | p) of every set S of M places drawn without replacement (Plackett-Luce), for every p.

    Args:
        weights: (P, N), row p the weights that p gives to each place.

    Returns:
        the sets as bit masks (C(N, M),), ascending, and their probabilities (C(N, M), P).
    """
    hypotheses, n = weights.shape
    masks, chances = np.zeros(1, dtype=np.int64), np.ones((1, hypotheses))
    for _ in range(m):
        taken = (masks[:, None] >> np.arange(n) & 1).astype(bool)
        left = ~taken @ weights.T
        grown, parts = [], []
        for place in range(n):
            free = ~taken[:, place]
            grown.append(masks[free] | 1 << place)
            parts.append(chances[free] * weights[:, place] / left[free])
        masks, group = np.unique(np.concatenate(grown), return_inverse=True)
        chances = np.zeros((len(masks), hypotheses))
        np.add.at(chances, group, np.concatenate(parts))
    return masks, chances


@cache
def gumbel_lambda(values: tuple[Values, ...], m: int, epsilon: float) -> float:
    """λ of Gumbel top-M with score ε·u: exact where the sets can be enumerated, else a bound.

    The bound is M-fold composition of the exponential mechanism, each draw 2ε-differentially private as u has
    sensitivity 1: no posterior exceeds 1 / (1 + (N-1) exp(-2εM)).
    """
    n = len(values)
    if m >= n:
        return 0.0
    if n <= ENUMERABLE:
        _, chances = set_probabilities(np.exp(epsilon * agreement(values)), m)
        return max(0.0, float(chances.max(axis=1).sum() / n) - 1 / n)
    return 1 / (1 + (n - 1) * math.exp(-2 * epsilon * m)) - 1 / n


@cache
def largest_epsilon(values: tuple[Values, ...], m: int, lambda_: float) -> float:
    """The largest ε, up to 40, at which Gumbel top-M stays within λ. By bisection; λ grows with ε."""
    low, high = 0.0, float(MAX_EPSILON)
    if gumbel_lambda(values, m, high) <= lambda_:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if gumbel_lambda(values, m, middle) <= lambda_ else (low, middle)
    return low
