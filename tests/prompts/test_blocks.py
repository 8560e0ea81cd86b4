"""The split: a partition by who is there, even in every attribute, and fixed by the key."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obclip_cli.prompts.blocks import blocks
from obclip_cli.prompts.taxonomy import Values

SPACES = {"age": ("young", "middle", "old"), "gender": ("male", "female"), "origin": ("1", "2", "3", "4", "5")}
PERSONS = st.lists(st.sampled_from(list(SPACES)), min_size=1, max_size=3, unique=True).map(sorted)
KEYS = st.binary(min_size=32, max_size=32)
Slots = dict[tuple[int, str], str]


def of(persons: list[list[str]]) -> tuple[Slots, tuple[Values, ...]]:
    """Slots and candidates of persons with these attributes."""
    slots = {(number, attribute): "" for number, stated in enumerate(persons) for attribute in stated}
    return slots, tuple(itertools.product(*(SPACES[attribute] for _, attribute in slots)))


def people(slots: Slots, values: Values) -> tuple[object, ...]:
    """Who is there, in whatever order."""
    said: dict[int, list[tuple[str, str]]] = {}
    for (person, attribute), value in zip(slots, values, strict=True):
        said.setdefault(person, []).append((attribute, value))
    return tuple(sorted(tuple(one) for one in said.values()))


@given(stated=PERSONS, share=st.floats(0.01, 1), key=KEYS)
def test_one_persons_blocks_are_a_partition_and_hold_every_value_as_often(
    stated: list[str], share: float, key: bytes
) -> None:
    """Any two values of an attribute occur in a block equally often or once more; sizes differ by one at most."""
    slots, values = of([stated])
    least = max(1, round(share * len(values)))
    split = blocks(slots, values, least, key)
    assert sorted(itertools.chain(*split)) == list(range(len(values)))
    sizes = {len(block) for block in split}
    assert min(sizes) >= least and max(sizes) - min(sizes) <= 1 and len(split) == len(values) // least
    for block in split:
        for number, attribute in enumerate(stated):
            counts = Counter(values[place][number] for place in block)
            seen = [counts[value] for value in SPACES[attribute]]
            assert max(seen) - min(seen) <= 1


@given(
    persons=st.lists(PERSONS.filter(lambda stated: len(stated) < 3), min_size=2, max_size=2), key=KEYS, data=st.data()
)
def test_the_order_of_persons_shows_nothing(persons: list[list[str]], key: bytes, data: st.DataObject) -> None:
    """Both orders show blocks of the same people, and nobody is in two of them; so two requests tell what one tells."""
    slots, values = of(persons)
    least = data.draw(st.integers(1, len(values)))
    turned_slots, turned = of(persons[::-1])
    shown = [
        sorted(
            sorted({people(named, of_candidate[place]) for place in block})
            for block in blocks(named, of_candidate, least, key)
        )
        for named, of_candidate in ((slots, values), (turned_slots, turned))
    ]
    assert shown[0] == shown[1]
    assert max(Counter(itertools.chain(*shown[0])).values()) == 1
    assert min(len(block) for block in blocks(slots, values, least, key)) >= least


def test_the_split_depends_on_the_key_and_on_nothing_else() -> None:
    slots, values = of([["gender", "origin"]])
    first, again, other = (blocks(slots, values, 5, key) for key in (b"a" * 32, b"a" * 32, b"b" * 32))
    said = dict(zip(slots, ("female", "3"), strict=True))
    assert first == again == blocks(said, values, 5, b"a" * 32) != other
    drawn = [blocks(slots, values, 5, bytes([i]) * 32)[0] for i in range(200)]
    # Each block has every origin once, so that another origin is beside the first candidate in half of the splits.
    together = [sum(place in block for block in drawn) / 200 for place in range(1, 10)]
    assert together[4] == 0 and together[:4] + together[5:] == pytest.approx([0.5] * 8, abs=0.14)
