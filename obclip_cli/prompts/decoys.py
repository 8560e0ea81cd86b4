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
# Above, λ is bounded from draws: how many, how many at once, and how likely a bound may be too low.
SAMPLES, CHUNK = 20_000, 4_000
DOUBT = 1e-6


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


def block_lambda(m: int, n: int) -> float:
    """λ of a set of M in which every member is equally likely: 1/M - 1/N."""
    return 1 / m - 1 / n


def attribute_successes(values: tuple[Values, ...], posteriors: np.ndarray) -> np.ndarray:
    """How often a guess of each attribute's value is right.

    Args:
        values: one tuple a candidate, (N, a).
        posteriors: (..., N), what a server believes of each candidate.

    Returns:
        (..., a).
    """
    table = np.array(values, dtype=object).reshape(len(values), -1)
    found = []
    for column in table.T:
        same = np.array([column == value for value in dict.fromkeys(column)], dtype=float)
        found.append((posteriors @ same.T).max(axis=-1))
    return np.stack(found, axis=-1)


def attribute_lambdas(slots: Assignment, values: tuple[Values, ...], successes: np.ndarray) -> dict[str, float]:
    """λ of each attribute alone: how much better its value is guessed than blindly; of several persons the largest.

    Args:
        successes: (a,), as `attribute_successes` has them.
    """
    found: dict[str, float] = {}
    for place, (_, attribute) in enumerate(slots):
        blind = 1 / len({of_candidate[place] for of_candidate in values})
        found[attribute] = max(found.get(attribute, 0.0), float(successes[place]) - blind)
    return found


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


def rounded(lambdas: dict[str, float]) -> dict[str, float]:
    """As they are written: to nine digits, and never -0."""
    return {attribute: round(max(0.0, value), 9) for attribute, value in lambdas.items()}


@cache
def gumbel_successes(values: tuple[Values, ...], m: int, epsilon: float) -> tuple[float, ...]:
    """How often the best guess after Gumbel top-M with score ε·u is right: of the candidate, then of each attribute.

    Exact where the sets can be enumerated; else bounds that hold with certainty 1 - `DOUBT`, from `SAMPLES` draws.
    """
    n = len(values)
    if n <= ENUMERABLE:
        _, chances = set_probabilities(np.exp(epsilon * agreement(values)), m)
        whole, single = chances.max(axis=1).sum() / n, attribute_successes(values, chances).sum(axis=0) / n
        return float(whole), *(float(success) for success in single)
    seen = [_guesses(values, m, epsilon, np.random.default_rng(part)) for part in range(SAMPLES // CHUNK)]
    return tuple(float(bound) for bound in mean_bound(np.concatenate(seen)))


def _guesses(values: tuple[Values, ...], m: int, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """The best guess's chance after each of `CHUNK` draws: of the candidate and of each attribute, (CHUNK, 1 + a).

    u looks the same from every candidate, so that draws for the first of them are enough. P(S | p) depends on how many
    members of S agree with p in how many attributes, and on nothing else.
    """
    likeness = agreement(values)
    attributes = len(values[0])
    agreeing = (likeness * attributes).round().astype(int)
    levels = range(attributes + 1)
    noise = rng.gumbel(size=(CHUNK, len(values)))
    drawn = np.argpartition(-(epsilon * likeness[0] + noise), m - 1, axis=1)[:, :m]
    members = np.zeros_like(noise)
    np.put_along_axis(members, drawn, 1.0, axis=1)
    counted = np.stack([members @ (agreeing == level) for level in levels], axis=-1).astype(int)
    codes = counted @ (m + 1) ** np.arange(attributes + 1)
    _, first, kind_of = np.unique(codes, return_index=True, return_inverse=True)
    weights = np.exp(epsilon * np.array(levels) / attributes)
    whole = float((agreeing[0][:, None] == np.array(levels)).sum(axis=0) @ weights)
    chances = [_chance(tuple(counted.reshape(-1, attributes + 1)[place]), weights, whole) for place in first]
    posteriors = np.array(chances)[kind_of.reshape(codes.shape)]
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    return np.column_stack([posteriors.max(axis=1), attribute_successes(values, posteriors)])


def _chance(counts: tuple[int, ...], weights: np.ndarray, whole: float) -> float:
    """P(S | p) where S has so many members of each weight: over the numbers drawn so far (Plackett-Luce).

    Args:
        whole: the weight of all candidates together.
    """
    reached = {(0,) * len(counts): 1.0}
    for _ in range(sum(counts)):
        grown: dict[tuple[int, ...], float] = {}
        for taken, chance in reached.items():
            left = whole - float(np.dot(taken, weights))
            for level, (have, of) in enumerate(zip(taken, counts, strict=True)):
                if have < of:
                    after = (*taken[:level], have + 1, *taken[level + 1 :])
                    grown[after] = grown.get(after, 0.0) + chance * (of - have) * float(weights[level]) / left
        reached = grown
    return reached[counts]


def mean_bound(samples: np.ndarray) -> np.ndarray:
    """Upper bounds of the means of columns in [0, 1], each with certainty 1 - `DOUBT`.

    Source: empirical Bernstein bound, Maurer and Pontil, arXiv 0907.3740, Theorem 4.
    """
    count, doubt = len(samples), math.log(2 / DOUBT)
    slack = np.sqrt(2 * samples.var(axis=0, ddof=1) * doubt / count) + 7 * doubt / (3 * (count - 1))
    return np.minimum(1.0, samples.mean(axis=0) + slack)


@cache
def gumbel_lambda(values: tuple[Values, ...], m: int, epsilon: float) -> float:
    """λ of Gumbel top-M with score ε·u: exact where the sets can be enumerated, else the smaller of two bounds.

    One is from draws (`gumbel_successes`). The other is M-fold composition of the exponential mechanism, each draw
    2ε-differentially private as u has sensitivity 1: no posterior exceeds 1 / (1 + (N-1) exp(-2εM)).
    """
    n = len(values)
    if m >= n:
        return 0.0
    reached = gumbel_successes(values, m, epsilon)[0]
    composed = 1 / (1 + (n - 1) * math.exp(-2 * epsilon * m)) if n > ENUMERABLE else 1.0
    return max(0.0, min(reached, composed) - 1 / n)


@cache
def largest_epsilon(values: tuple[Values, ...], m: int, lambda_: float) -> float:
    """The largest ε, up to 40, at which Gumbel top-M stays within λ. By bisection; λ grows with ε."""
    low, high = 0.0, float(MAX_EPSILON)
    if gumbel_lambda(values, m, high) <= lambda_:
        return high
    for _ in range(30 if len(values) <= ENUMERABLE else 12):
        middle = (low + high) / 2
        low, high = (middle, high) if gumbel_lambda(values, m, middle) <= lambda_ else (low, middle)
    return low
