"""The keyed split of the candidates: blocks large enough, one for all wordings, and even in every attribute."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.device.choice import Chooser
from obclip_cli.prompts.blocks import blocks
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.decoys import attribute_lambdas, fewest
from obclip_cli.prompts.taxonomy import load_taxonomy

PAPER = load_taxonomy(taxonomy_path("paper"))
SLOTS = ((0, "gender"), (0, "tone"))
TEN = tuple(itertools.product(("male", "female"), ("1", "2", "3", "4", "5")))
KEYS = st.binary(min_size=32, max_size=32)


@given(n=st.integers(1, 60), least=st.integers(1, 60), key=KEYS)
def test_blocks_are_as_many_as_there_can_be_and_none_is_too_small(n: int, least: int, key: bytes) -> None:
    least = min(least, n)
    split = blocks(((0, "x"),), tuple((str(i),) for i in range(n)), least, key)
    assert sorted(itertools.chain(*split)) == list(range(n))
    sizes = {len(block) for block in split}
    assert min(sizes) >= least and max(sizes) - min(sizes) <= 1
    assert len(split) == n // least


def test_the_split_depends_on_the_key_and_on_nothing_else() -> None:
    splits = [tuple(map(tuple, blocks(SLOTS, TEN, 5, bytes([i]) * 32))) for i in range(60)]
    assert splits[0] == tuple(map(tuple, blocks(SLOTS, TEN, 5, bytes(32))))
    assert len(set(splits)) > 5


@given(key=KEYS, least=st.integers(2, 8), levels=st.lists(st.integers(2, 5), min_size=1, max_size=3))
def test_every_block_holds_every_value_as_evenly_as_its_size_allows(key: bytes, least: int, levels: list[int]) -> None:
    """Of one attribute exactly; of several, no value is more than once too often, which no split may avoid."""
    values = tuple(itertools.product(*(tuple(map(str, range(level))) for level in levels)))
    slots = tuple((0, f"a{place}") for place in range(len(levels)))
    for block in blocks(slots, values, min(least, len(values)), key):
        for place, level in enumerate(levels):
            counts = [sum(values[i][place] == str(value) for i in block) for value in range(level)]
            assert max(counts) - min(counts) <= 1 + (len(levels) > 1)


def test_ten_candidates_in_two_blocks_say_nothing_of_the_tone() -> None:
    for i in range(30):
        for block in blocks(SLOTS, TEN, 5, bytes([i]) * 32):
            tones, genders = ([TEN[place][slot] for place in block] for slot in (1, 0))
            assert len(set(tones)) == 5 and sorted(map(genders.count, ("male", "female"))) == [2, 3]


SAID_TWICE = [
    ("one man and one old woman", "one old woman and one man"),
    ("a man and a woman", "a woman and a man"),
    ("a young asian woman with an old man", "an old man with a young asian woman"),
]


@pytest.mark.parametrize(("first", "second"), SAID_TWICE)
@pytest.mark.parametrize("lambda_", [0.05, 0.1])
def test_persons_in_another_order_show_the_same_block(first: str, second: str, lambda_: float) -> None:
    """As sets of persons: the server learns no more from both requests than from one."""
    one, two = (build_candidates(prompt, PAPER, max_candidates=512) for prompt in (first, second))
    assert len(one.prompts) == len(two.prompts) > 2
    for key in (bytes([i]) * 32 for i in range(4)):
        shown = []
        for candidates in (one, two):
            chooser = Chooser(PAPER, PrivacyConfig("bucket", lambda_, 512), key, random.Random(0))
            sent = chooser.choose(candidates).sent.prompts
            shown.append({_persons(prompt) for prompt in sent})
            own = {chooser.choose(replace(candidates, index=candidates.prompts.index(p))).sent.prompts for p in sent}
            assert own == {sent} and len(sent) >= fewest(len(candidates.prompts), lambda_)
        assert shown[0] == shown[1]


def _persons(prompt: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    slots = build_candidates(prompt, PAPER, max_candidates=512).slots
    people = {person for person, _ in slots}
    return tuple(sorted(tuple(sorted((a, v) for (p, a), v in slots.items() if p == person)) for person in people))


def test_lambda_of_each_attribute_is_what_its_commonest_value_gains() -> None:
    slots = ((0, "gender"), (0, "age"))
    sent = (("male", "young"), ("male", "old"), ("female", "young"))
    ages = len(PAPER.attributes["age"])
    found = attribute_lambdas(slots, sent, PAPER)
    assert found == pytest.approx({(0, "gender"): 2 / 3 - 1 / 2, (0, "age"): 2 / 3 - 1 / ages})
