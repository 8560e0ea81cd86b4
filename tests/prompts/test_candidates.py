"""The candidate set: closure, canonical order, rendering."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obclip_cli.config import taxonomy_path
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import build_candidates, count_candidates
from obclip_cli.prompts.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy(taxonomy_path("emoji"))
SPELLINGS = [word for form in TAXONOMY.forms for word, _ in form.spellings()]
FILLERS = ["a", "an", "the", "firefighter", "with", "and", ",", "running", "(closeup:1.2)", "café", "dog", "Old", "."]


def build(prompt: str, limit: int = 10_000):  # type: ignore[no-untyped-def]
    return build_candidates(prompt, TAXONOMY, max_candidates=limit)


def test_a_firefighter_has_ten_candidates() -> None:
    found = build("a woman firefighter with dark skin")
    assert len(found.prompts) == 10
    assert found.prompts[found.index] == "a woman firefighter with dark skin"
    assert found.prompts[0] == "a man firefighter with light skin"
    assert found.slots == {(0, "gender"): "female", (0, "tone"): "dark"}


@given(st.lists(st.sampled_from(SPELLINGS + FILLERS), min_size=1, max_size=8))
def test_closure_every_candidate_has_the_same_candidates(words: list[str]) -> None:
    """Theorem 1's condition: for every p' in P(p), P(p') is P(p), in the same order."""
    try:
        found = build(" ".join(words), 400)
    except UserError:
        return
    assert len(set(found.prompts)) == len(found.prompts) == count_candidates(found.slots, TAXONOMY)
    for place, candidate in enumerate(found.prompts):
        again = build(candidate, 400)
        assert again.prompts == found.prompts
        assert again.index == place


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("a lady  firefighter with pale skin", "a woman firefighter with light skin"),
        ("An elderly man", "An old man"),
        ("a young girl", "a girl"),
        ("a Dark Skinned man", "a dark-skinned man"),
        ("a grown woman", "an adult woman"),
        ("an old guy", "an old man"),  # a canonical word joins its neighbour to a longer spelling
        ("Old gentleman", "old man"),
        ("a grandpa with a dog", "an old man with a dog"),
    ],
)
def test_own_spelling_does_not_reach_the_cloud(typed: str, canonical: str) -> None:
    found = build(typed)
    assert found.prompts[found.index] == canonical


def test_a_word_that_joins_its_neighbour_keeps_the_set_closed() -> None:
    found = build("Old guy")
    assert len(found.prompts) == 6
    assert all(build(candidate).prompts == found.prompts for candidate in found.prompts)


def test_a_candidate_that_would_be_read_differently_is_refused() -> None:
    """Among the ages of "female old person" is "male child", which is a spelling of "boy"."""
    with pytest.raises(UserError, match="would be read differently"):
        build("a female old person")


def test_pronouns_follow_their_person() -> None:
    found = build("a woman and her dog, she saw herself")
    assert found.prompts[0].startswith("a man and his dog, he saw himself")
    assert build("a man with his cat").prompts == ("a man with his cat", "a woman with her cat")


def test_articles_agree() -> None:
    assert build("an adult man").prompts[:3] == ("a boy", "an adult man", "an old man")


def test_two_persons_have_slots_of_their_own() -> None:
    found = build("a man and a dark-skinned woman")
    assert found.slots == {(0, "gender"): "male", (1, "gender"): "female", (1, "tone"): "dark"}
    assert len(found.prompts) == 20


@pytest.mark.parametrize("prompt", ["an old building at night", "a dark street", "a medium pizza", "a human being"])
def test_words_that_describe_no_person_are_left_alone(prompt: str) -> None:
    assert build(prompt).prompts == (prompt,)


def test_too_many_candidates_says_how_many_and_what_to_leave_out() -> None:
    with pytest.raises(UserError, match=r"10 candidates.*max_candidates=4.*leave out tone"):
        build("a woman cook with dark skin", 4)


def test_one_person_with_two_skin_tones_is_refused() -> None:
    with pytest.raises(UserError, match="dark and light"):
        build("a dark-skinned woman with light skin")
