"""Split the candidates of a prompt into keyed blocks, each of which is sent whole: the strategy `bucket`.

The split is one of what prompts say, not of how: it depends on the key and on the multiset of the persons' attributes.
"One man and one old woman" and "one old woman and one man" show the same block. Each block holds every value of every
attribute as evenly as its size allows, as an orthogonal design does.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from obclip_cli.prompts.canonical import Slot
from obclip_cli.prompts.taxonomy import Values

STARTS = 4  # keyed orders from which the most even split is taken

Fact = tuple[tuple[tuple[str, str], ...], ...]  # of each person its attributes and values, in no order of the prompt


@lru_cache(maxsize=1024)
def blocks(slots: tuple[Slot, ...], values: tuple[Values, ...], least: int, key: bytes) -> list[list[int]]:
    """Split the candidates into blocks of at least `least`.

    As many as there can be; candidates that only differ in the order of like persons share one.

    Args:
        slots: (person, attribute) of each value.
        values: one tuple a candidate.

    Returns:
        places in `values`, ascending in each block.
    """
    units: dict[Fact, list[int]] = {}
    for place, own in enumerate(values):
        units.setdefault(_fact(slots, own), []).append(place)
    facts = sorted(units, key=lambda fact: keyed_hash(key, "bucket", fact))
    sizes, features = np.array([len(units[fact]) for fact in facts]), _features(facts, [len(units[f]) for f in facts])
    for number in range(max(1, len(values) // least), 0, -1):
        starts = [_split(sizes, features, number, _order(key, facts, sizes, start)) for start in range(STARTS)]
        _, owners = min(starts, key=lambda found: found[0])
        if np.bincount(owners, weights=sizes, minlength=number).min() >= least:
            break
    split: list[list[int]] = [[] for _ in range(number)]
    for fact, owner in zip(facts, owners, strict=True):
        split[owner] += units[fact]
    return [sorted(block) for block in split]


def keyed_hash(key: bytes, *message: object) -> bytes:
    """HMAC-SHA256 of a message, written as JSON so that no two messages are alike."""
    return hmac.new(key, json.dumps(message, ensure_ascii=True).encode(), hashlib.sha256).digest()


def _fact(slots: tuple[Slot, ...], values: Values) -> Fact:
    persons: dict[int, list[tuple[str, str]]] = {}
    for (person, attribute), value in zip(slots, values, strict=True):
        persons.setdefault(person, []).append((attribute, value))
    return tuple(sorted(tuple(sorted(said)) for said in persons.values()))


def _features(facts: Sequence[Fact], sizes: Sequence[int]) -> np.ndarray:
    """How often each value of each attribute is in a unit, (units, values), rare values counting more."""
    said = [[((tuple(a for a, _ in person), a), v) for person in fact for a, v in person] for fact in facts]
    columns = sorted({column for row in said for column in row})
    levels = {slot: sum(other == slot for other, _ in columns) for slot, _ in columns}
    table = np.zeros((len(facts), len(columns)))
    for row, size, own in zip(table, sizes, said, strict=True):
        for column in own:
            row[columns.index(column)] += size * levels[column[0]] ** 0.5
    return table


def _order(key: bytes, facts: Sequence[Fact], sizes: np.ndarray, start: int) -> list[int]:
    """Large units first, like ones in a keyed order."""
    return sorted(range(len(facts)), key=lambda unit: (-sizes[unit], keyed_hash(key, "bucket", start, facts[unit])))


def _split(sizes: np.ndarray, features: np.ndarray, number: int, order: list[int]) -> tuple[float, np.ndarray]:
    """Its unevenness and each unit's block: greedily, then by swaps as long as one makes it more even."""
    owners, counts, filled = np.zeros(len(sizes), dtype=int), np.zeros((number, features.shape[1])), np.zeros(number)
    for unit in order:
        smallest = np.flatnonzero(filled == filled.min())
        owners[unit] = block = smallest[np.argmin((counts @ features[unit])[smallest])]
        counts[block] += features[unit]
        filled[block] += sizes[unit]
    apart = ((features[:, None] - features[None]) ** 2).sum(axis=2)
    alike = sizes[:, None] == sizes[None, :]
    while True:
        toward = features @ counts.T
        own = toward[np.arange(len(sizes)), owners]
        crossed = toward[:, owners]  # of unit i with the block of unit j
        gains = 2 * (crossed.T - own[:, None] + crossed - own[None, :] + apart)
        gains[~alike | (owners[:, None] == owners[None, :])] = 0
        first, second = np.unravel_index(np.argmin(gains.round(9)), gains.shape)
        if gains[first, second] > -1e-9:
            return float((counts**2).sum()), owners
        change = features[second] - features[first]
        counts[owners[first]] += change
        counts[owners[second]] -= change
        owners[[first, second]] = owners[[second, first]]
