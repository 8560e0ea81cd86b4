"""Theorem 1's condition as a property: for every p' in P(p), P(p') is P(p), the same list in the same order."""

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from obclip_cli.config import taxonomy_path
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import CandidateSet, build_candidates, count_candidates
from obclip_cli.prompts.taxonomy import Form, load_taxonomy

TAXONOMY = load_taxonomy(taxonomy_path("paper"))
TEMPLATES: list[str] = yaml.safe_load((Path(__file__).parents[1] / "data" / "paper_templates.yaml").read_text())[
    "templates"
]
SPELLINGS = sorted(TAXONOMY.meanings)
# fmt: off
COMMON = ["man", "woman", "boys", "lady", "child", "baby", "young", "elderly", "middle aged", "18-year-old", "male",
          "in his forties", "female", "Asian", "white", "German", "Mexican", "he", "her", "his", "him", "hers",
          "himself", "mother"]
FILLERS = ["a", "an", "the", "An", "with", "and", "or", ",", ".", "(closeup:1.2),", "café", "狐と", "dog", "horse",
           "nurse", "old bench", "is", "saw", "'s", "five o'clock shadow", "in", "on", "photo", "tall", "who",
           "smiling"]
# fmt: on
MOST = 300


def build(prompt: str, most: int = MOST) -> CandidateSet:
    return build_candidates(prompt, TAXONOMY, max_candidates=most)


def assert_closed(found: CandidateSet) -> None:
    assert len(set(found.prompts)) == len(found.prompts) == count_candidates(found.slots, TAXONOMY)
    for place, candidate in enumerate(found.prompts):
        again = build(candidate)
        assert (again.prompts, again.index) == (found.prompts, place)


def values(name: str) -> st.SearchStrategy[str]:
    """A spelling of one attribute that stands before a noun, or the nouns of a gender."""
    form = TAXONOMY.form(name)
    spaces = TAXONOMY.attributes[form.carries[0]]
    return st.sampled_from([w for w, said in form.spellings() if said[0] in spaces and w not in form.before_own])


@pytest.mark.parametrize("template", TEMPLATES)
@given(age=values("age"), ethnicity=values("ethnicity"), gender=values("sex"))
@settings(max_examples=settings.default.max_examples // 25)
def test_the_papers_templates_are_closed_in_any_spelling(template: str, age: str, ethnicity: str, gender: str) -> None:
    canonical = template.replace("$age", "old").replace("$ethnicity", "indian").replace("$gender", "male")
    prompt = template.replace("$age", age).replace("$ethnicity", ethnicity).replace("$gender", gender)
    try:
        found = build(prompt)
    except UserError:
        assume(False)  # some words stand before no noun: "baby", "senior"
    if "red haired" not in template or ethnicity not in TAXONOMY.form("ethnicity").only_before:
        assert found.prompts == build(canonical).prompts
    assert_closed(found)


@pytest.mark.parametrize("template", TEMPLATES)
def test_all_of_the_papers_prompts_of_a_template_have_one_candidate_set(template: str) -> None:
    spaces = TAXONOMY.attributes
    sets = [
        build(template.replace("$age", age).replace("$gender", gender).replace("$ethnicity", ethnicity))
        for age, gender, ethnicity in itertools.product(spaces["age"], spaces["gender"], spaces["ethnicity"])
    ]
    assert {found.prompts for found in sets} == {sets[0].prompts}
    assert [found.index for found in sets] == list(range(30))


@given(
    st.lists(st.sampled_from(COMMON + FILLERS), min_size=1, max_size=9), st.sampled_from([str, str.upper, str.title])
)
def test_any_words_in_any_order_are_closed_or_refused(words: list[str], case: type[str]) -> None:
    try:
        found = build(case(" ".join(words)))
    except UserError:
        return
    assert_closed(found)


@given(st.lists(st.sampled_from(SPELLINGS + FILLERS), min_size=1, max_size=5))
def test_every_spelling_of_the_taxonomy_is_closed_or_refused(words: list[str]) -> None:
    try:
        found = build(" ".join(words), most=60)
    except UserError:
        return
    assert_closed(found)


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
        ("an old building at night", 1),
        ("a young man on an old bench", 6),
        ("an european", 5),
        ("a woman and her dog, he saw her", 2),  # "he" is the dog
        ("a woman in a red coat saw him", 2),
        ("a woman saw him", 4),  # not herself: somebody unnamed
        ("a boy and his grandmother, (portrait:1.3)", 36),
        ("an elderly couple", 3),
        ("MAN, 60 YEARS OLD", 6),
        ("ein alter man in München, naïve style", 2),
        ("رجل man يمشي", 2),
        ("young asian female", 30),
        ("a man's old house and the women's restroom", 2),
        ("a British Asian girl", 30),
        ("a young and an old woman", 18),
    ],
)
def test_prompts_that_must_work(prompt: str, n: int) -> None:
    found = build(prompt)
    assert len(found.prompts) == n
    assert_closed(found)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("an elderly Nigerian lady", "an old african woman"),
        ("a 70-year-old fisherman", "an old fisherman"),
        ("A  YOUNG   Kid's toy", "A young person's toy"),
        ("a teenage girl", "a young woman"),
        ("an 18-year-old boy", "a young man"),
        ("a woman with laugh lines around his eyes", "a woman with laugh lines around her eyes"),
        ("a woman in her late 40s", "a woman in her mid-forties"),
        ("a woman whose dog wags his tail", "a woman whose dog wags its tail"),
        ("an American actress", "a female actor"),  # no candidate has that ethnicity: the cloud is not told of one
        ("an Asian on a bench", "an asian person on a bench"),
        ("ａ ｗｏｍａｎ", "a woman"),
    ],
)
def test_own_words_do_not_reach_the_cloud(typed: str, canonical: str) -> None:
    found = build(typed)
    assert found.prompts[found.index] == canonical
    assert_closed(found)


def test_words_without_a_candidate_value_are_remembered() -> None:
    assert build("a Mexican woman").left_out == ("Mexican",)
    assert build("a Mexican woman").prompts == ("a man", "a woman") == build("a woman").prompts
    with pytest.raises(UserError, match=r'"Mexican" says a value of ethnicity .* put it before its noun'):
        build("the woman is Mexican")


@pytest.mark.parametrize("form", TAXONOMY.forms, ids=lambda form: form.name)
def test_every_spelling_is_hidden_where_it_stands_for_a_person(form: Form) -> None:
    """None stays in sight, and none becomes canonical words that are read differently."""
    frames = {"adjective": "a {} person", "pronoun": "a man, {} smiles", "place": "a man from {}"}
    frames |= {"after": "a man {}", "number": "a man, {}"}
    for word, _ in form.spellings():
        frame = "a {} boy" if word in form.before_own else frames.get(form.use, "a {}")
        found = build(frame.format(word))
        assert found.slots or found.left_out, word
        assert_closed(found)


def test_phrases_that_people_type_are_closed_and_hardly_ever_refused() -> None:
    """Every 20th of 4,056 (NOTICE names their source); of all 10,000 that were tried once 0.17 % were refused."""
    phrases = (Path(__file__).parents[1] / "data" / "prompt_phrases.txt").read_text().splitlines()[::20]
    refused = []
    for phrase in phrases:
        try:
            found = build(phrase)
        except UserError:
            refused.append(phrase)
            continue
        last = build(found.prompts[-1])
        assert (last.prompts, last.index) == (found.prompts, len(found.prompts) - 1)
    assert len(refused) <= 0.02 * len(phrases), refused
