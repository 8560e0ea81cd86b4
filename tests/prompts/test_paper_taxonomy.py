"""The paper's attributes: N by its value spaces, closure over its word orders, and what the rules cannot read."""

import itertools

import pytest

from obclip_cli.config import taxonomy_path
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.taxonomy import Form, load_taxonomy

TAXONOMY = load_taxonomy(taxonomy_path("paper"))
AGES, GENDERS, ETHNICITIES = TAXONOMY.attributes.values()


def build(prompt: str, limit: int = 64) -> CandidateSet:
    return build_candidates(prompt, TAXONOMY, max_candidates=limit)


def assert_closed(prompt: str, n: int) -> None:
    """N candidates, and each of them has the same ones in the same order."""
    found = build(prompt)
    assert len(set(found.prompts)) == len(found.prompts) == n
    for place, candidate in enumerate(found.prompts):
        again = build(candidate)
        assert again.prompts == found.prompts and again.index == place


@pytest.mark.parametrize(
    ("prompt", "n"),
    [
        ("a young african man", 30),
        ("a photo of a woman", 2),
        ("a portrait of an old lady with her dog", 6),
        ("a middle aged indian gentleman", 30),
        ("a young man and an old woman", 36),
        ("a male doctor and a female nurse", 4),
        ("a girl flying a kite", 6),
        ("a mother and her son", 4),
        ("a bowl of fruit", 1),
    ],
)
def test_number_of_candidates(prompt: str, n: int) -> None:
    assert_closed(prompt, n)


@pytest.mark.parametrize(
    "template",
    [  # the word orders of the paper's templates (Appendix B.3)
        "headshots portrait with a {age} {ethnicity} {gender}",
        "{age} {ethnicity} {gender} in hat, portrait photo",
        "{age} red haired {gender} {ethnicity} urban portrait photo",
        "Faceshot of pretty {age} {ethnicity} {gender}, (closeup:1.2), with prominent laugh lines",
    ],
)
def test_the_papers_word_orders_are_found_for_every_value(template: str) -> None:
    prompts = [
        template.format(age=age, gender=gender, ethnicity=ethnicity)
        for age, gender, ethnicity in itertools.product(AGES, GENDERS, ETHNICITIES)
    ]
    sets = [build(prompt) for prompt in prompts]
    assert {found.prompts for found in sets} == {sets[0].prompts}
    assert [found.index for found in sets] == list(range(30))
    assert_closed(prompts[7], 30)


def test_his_eyes_of_the_sixth_template_agree_with_women_too() -> None:
    """The paper's template says "his eyes" of women as well; every candidate's eyes are its own."""
    men, women = (build(f"a young african {gender} with laugh lines around his eyes") for gender in GENDERS)
    assert men.prompts == women.prompts and len(men.prompts) == 30
    assert women.prompts[women.index] == "a young african female with laugh lines around her eyes"


def test_adjectives_of_things_are_left_alone() -> None:
    assert_closed("an old building at night", 1)
    assert_closed("a young man on an old bench", 6)


@pytest.mark.parametrize("form", TAXONOMY.forms, ids=lambda form: form.name)
def test_every_spelling_is_hidden_where_it_stands_for_a_person(form: Form) -> None:
    """None stays in sight, and none becomes canonical words that are read differently."""
    frames = {"adjective": "a {} person", "pronoun": "a man, {} smiles", "place": "a man from {}"}
    frames |= {"after": "a man {}", "number": "a man, {}"}
    for word, _ in form.spellings():
        frame = "a {} boy" if word in form.before_own else frames.get(form.use, "a {}")
        found = build(frame.format(word))
        assert found.slots or found.left_out, word
        assert_closed(found.prompts[0], len(found.prompts))
