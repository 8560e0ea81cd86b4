"""The split of the candidates into blocks, of which the prompt's own is sent (`privacy.strategy=bucket`).

Two things make a split tell no more than its λ. It is one of *who is there*, not of the words: persons are a multiset,
so "one man and one old woman" and "one old woman and one man" show the same block. And each block holds every value of
every attribute as evenly as its size allows, so that no attribute alone is guessed better than it must be.
"""

from collections import Counter
from functools import lru_cache

import numpy as np

from obclip_cli.prompts.canonical import Assignment
from obclip_cli.prompts.decoys import keyed_hash
from obclip_cli.prompts.taxonomy import Values

TRIES = 8
Persons = tuple[tuple[tuple[str, ...], Values], ...]


def blocks(slots: Assignment, values: tuple[Values, ...], least: int, key: bytes) -> list[list[int]]:
    """Split the candidates into blocks of at least `least`, by the key and by who is there only.

    Candidates that differ in the order of alike persons only stay together. There are as many blocks as that allows, of
    sizes as equal as can be.

    Args:
        slots: their order is that of the values; which values they hold is not looked at.
        values: one tuple a candidate.

    Returns:
        places in `values`, ascending in each block.
    """
    who = [_persons(slots, of_candidate) for of_candidate in values]
    found = _split(tuple(sorted(Counter(who).items())), least, key)
    return sorted(sorted(place for place, persons in enumerate(who) if persons in block) for block in found)


def _persons(slots: Assignment, values: Values) -> Persons:
    """Everybody's attributes and values, in an order that does not depend on the prompt's."""
    said: dict[int, list[tuple[str, str]]] = {}
    for (person, attribute), value in zip(slots, values, strict=True):
        said.setdefault(person, []).append((attribute, value))
    return tuple(sorted((tuple(a for a, _ in one), tuple(v for _, v in one)) for one in said.values()))


@lru_cache(maxsize=1024)
def _split(groups: tuple[tuple[Persons, int], ...], least: int, key: bytes) -> list[frozenset[Persons]]:
    """The groups of candidates (who, how many) in blocks; of several keyed tries the most even one."""
    sizes = np.array([size for _, size in groups])
    shares = _shares([who for who, _ in groups], sizes)
    shape = [[attributes for attributes, _ in who] for who, _ in groups[:1]]
    best, found = np.inf, np.zeros(len(groups), dtype=int)
    for trial in range(TRIES):
        hashes = [keyed_hash(key, "bucket", shape, who, trial) for who, _ in groups]
        order = sorted(range(len(groups)), key=lambda group: (-sizes[group], hashes[group]))
        start, count = _dealt(sizes, order, least)
        blocks, unevenness = _evened(start, count, sizes, shares, order)
        if unevenness < best - 1e-9:
            best, found = unevenness, blocks
    return [frozenset(who for (who, _), block in zip(groups, found, strict=True) if block == b) for b in set(found)]


def _shares(who: list[Persons], sizes: np.ndarray) -> np.ndarray:
    """How many of each group's candidates have which value of which attribute, (groups, attributes and values).

    Less its mean over the candidates, so that an even block has the sum 0.
    """
    counts: list[Counter[tuple[int, str, str]]] = []
    for persons, size in zip(who, sizes, strict=True):
        alike = Counter(attributes for attributes, _ in persons)
        place = {attributes: number for number, attributes in enumerate(sorted(alike))}
        counts.append(Counter())
        for attributes, values in persons:
            for attribute, value in zip(attributes, values, strict=True):
                counts[-1][place[attributes], attribute, value] += size / alike[attributes]
    names = sorted(set().union(*counts))
    table = np.array([[count[name] for name in names] for count in counts])
    return table - sizes[:, None] * (table.sum(axis=0) / sizes.sum())


def _dealt(sizes: np.ndarray, order: list[int], least: int) -> tuple[np.ndarray, int]:
    """Each group's block, the largest groups first and each into the emptiest block; and how many blocks there are."""
    for count in range(max(1, int(sizes.sum()) // least), 0, -1):
        blocks, filled = np.zeros(len(sizes), dtype=int), np.zeros(count)
        for group in order:
            blocks[group] = filled.argmin()
            filled[blocks[group]] += sizes[group]
        if count == 1 or filled.min() >= least:
            return blocks, count
    raise AssertionError("one block holds everything")


def _evened(
    blocks: np.ndarray, count: int, sizes: np.ndarray, shares: np.ndarray, order: list[int]
) -> tuple[np.ndarray, float]:
    """Swap groups of one size between blocks as long as that makes values more even; and the unevenness that is left.

    It is the sum of squares of how far each value is from its even share, over blocks.
    """
    sums = np.zeros((count, shares.shape[1]))
    np.add.at(sums, blocks, shares)
    swapped = True
    while swapped:
        swapped = False
        for one in order:
            away = shares - shares[one]  # what the block of `one` would gain, and the other lose
            change = 2 * ((sums[blocks[one]] - sums[blocks]) * away).sum(axis=1) + 2 * (away**2).sum(axis=1)
            change[(blocks == blocks[one]) | (sizes != sizes[one])] = np.inf
            other = int(change.argmin())
            if change[other] < -1e-9:
                sums[blocks[one]] += away[other]
                sums[blocks[other]] -= away[other]
                blocks[[one, other]] = blocks[[other, one]]
                swapped = True
    return blocks, float((sums**2).sum())
