"""Kinds of words that people type: who is meant, what shares candidates, and the grammar of what is made."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.errors import UserError
from obclip_cli.metrics.detection import detection_scores
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.detect import detect, records
from obclip_cli.prompts.english import words
from obclip_cli.prompts.reading import read_prompt
from obclip_cli.prompts.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy(taxonomy_path("paper"))
EMOJI = load_taxonomy(taxonomy_path("emoji"))
MID = "middle-aged"
DATA = Path(__file__).parents[1] / "data"


def build(prompt: str) -> CandidateSet:
    return build_candidates(prompt, TAXONOMY, max_candidates=1000)


def found(prompt: str) -> list[tuple[str, str]]:
    return [(record["text"], record["value"]) for record in records(detect(prompt, TAXONOMY), TAXONOMY)]


@pytest.mark.parametrize("attribute", ["age", "ethnicity", "gender", "all"])
def test_f1_on_242_public_prompts(attribute: str) -> None:
    """Labelled before any rule was written; at the first measurement of the rules 0.979, 0.990, 1.000, 0.993."""
    scores = detection_scores(DATA / "public_prompts.jsonl", lambda prompt: records(detect(prompt, TAXONOMY), TAXONOMY))
    assert scores.set_index("attribute").loc[attribute, "f1"] >= 0.97


def test_f1_on_79_public_prompts_that_were_read_after_the_rules_were_written() -> None:
    """First measured: age 0.970, ethnicity 0.889 (of 4 labels), gender 0.986, all 0.978."""
    scores = detection_scores(
        DATA / "held_out_prompts.jsonl", lambda prompt: records(detect(prompt, TAXONOMY), TAXONOMY)
    )
    assert scores.set_index("attribute").loc["all", "f1"] >= 0.97


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("female warlock casting a spell", [("female", "female")]),
        ("a male orc smashing a wall", [("male", "male")]),
        ("solo, male focus, armor", [("male", "male")]),
        ("a nun and a monk", [("nun", "female"), ("monk", "male")]),
        ("a little girl", [("little", "young"), ("girl", "female"), ("girl", "young")]),
        ("young sensual graceful girl", [("young", "young"), ("girl", "female"), ("girl", "young")]),
        ("a Black gay man", [("Black", "african"), ("man", "male")]),
        ("2girls, holding hands", [("2girls", "female"), ("2girls", "young")]),
        ("a woman, 34", [("woman", "female"), ("34", "young")]),
        ("she is 30", [("she", "female"), ("30", "young")]),
        ("a girl of seven", [("girl", "female"), ("girl", "young"), ("seven", "young")]),
        ("a 5 9 year old man in his 5 0 s", [("5 9 year old", MID), ("man", "male"), ("his", "male"), ("5 0 s", MID)]),
        ("a gen z barista, 60+ customers", [("gen z", "young"), ("60+", "old")]),
        ("a man from Nigeria", [("man", "male"), ("Nigeria", "african")]),
        ("a nurse born in Seoul", [("Seoul", "asian")]),
        ("a woman of Chinese descent", [("woman", "female"), ("Chinese", "asian")]),
        ("a half-Japanese man", [("half-Japanese", "asian"), ("man", "male")]),
        ("a Korean-looking woman", [("Korean-looking", "asian"), ("woman", "female")]),
        ("a tall, dark-skinned, elderly man", [("elderly", "old"), ("man", "male")]),
        ("young emma watson, a korean Jisoo", [("young", "young"), ("korean", "asian")]),
        ("a bitter old, one-eyed man", [("old", "old"), ("man", "male")]),
        ("a nurse of about sixty years", [("of about sixty years", "old")]),
        ("a small child", [("small", "young"), ("child", "young")]),
    ],
)  # fmt: skip
def test_what_is_read(prompt: str, expected: list[tuple[str, str]]) -> None:
    assert found(prompt) == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "a female lion, a male connector on a cable",
        "king penguins and a monk seal",
        "an Irish setter, an American shorthair and a Persian cat",
        "a black widow on its web",
        "a black bishop and a white king on a chess board",
        "Corpse Husband's white Christmas",
        "an Asian elephant by the Indian Ocean",
        "Chinese characters on an old town wall",
        "god rays over a hero suit",
        "Wonder Woman and spider - man",
        "princess Diana and mr. rogers",
        "a black haired or white robed figure",
        "a phone from the 60s, 25 fps, 8 k",
        "an Italian sports car",
    ],
)
def test_what_says_nothing_of_a_person(prompt: str) -> None:
    assert found(prompt) == []


@pytest.mark.parametrize(
    ("marked", "unmarked"),
    [("actress", "actor"), ("heroine", "hero"), ("priestess", "priest"), ("goddess", "god"), ("huntress", "hunter")],
)
@pytest.mark.parametrize("frame", ["a {} on a stage", "portrait of a {}, oil", "two old {}s waving", "a {} sings"])
def test_marked_words_share_the_candidates_of_their_partners(marked: str, unmarked: str, frame: str) -> None:
    one, other = frame.replace("a {}", f"{'an' if marked == 'actress' else 'a'} {{}}"), frame
    plural = marked + "es" if marked.endswith("ss") else marked + "s"
    assert build(one.replace("{}s", plural).format(marked)).prompts == build(other.format(unmarked)).prompts


def test_other_words_decide_the_gender_of_a_word_for_all() -> None:
    for prompt in ("a hero and her sword", "a female hero and her sword", "a heroine and her sword"):
        candidates = build(prompt)
        assert candidates.prompts == ("a male hero and his sword", "a female hero and her sword")
        assert candidates.index == 1


@pytest.mark.parametrize(
    ("typed", "one"),
    [
        ("he gave her his book", "she gave him her book"),
        ("he kissed her", "he kissed him"),
        ("he kissed her", "she kissed him"),
        ("she hugged him goodbye", "he hugged him goodbye"),
        ("he kissed her passionately", "she kissed him passionately"),
        ('a woman with her "lucky" hat', 'a man with his "lucky" hat'),
        ("a woman and her (red:1.2) coat", "a man and his (red:1.2) coat"),
        ("a girl of nine years", "a young man aged 25"),
        ("2girls in a park", "2 old men in a park"),
        ("a man aged 20", "a woman aged 70"),
        ("a woman, 34, smiling", "a man, 50, smiling"),
        ("an 8-year-old boy", "an old woman"),
        ("a nurse from Kenya", "a nurse from europe"),
        ("a nurse of Kenyan heritage", "a nurse of indian heritage"),
        ("a girl from Mexico with a hat", "an old man with a hat"),
        ("a woman of Mexican descent", "a man"),
        ("an actor", "a female actor"),
        ("a korean girl", "a young asian woman"),
        ("an asian old man", "an old asian man"),
    ],
)
def test_grammar_of_what_is_made(typed: str, one: str) -> None:
    assert one in build(typed).prompts


WORDS = sorted(
    words(
        "a an the her his he she him they actor actress hero heroine god goddess priest king queen widow monk hunter "
        "female male warlock orc knight little girl boys old young woman, 34 is 30 aged of seven 1girl 2boys in "
        "forties from Nigeria Mexico born Seoul Chinese descent half-Japanese African-American British Asian black "
        "white gay , and with by Emma Watson Jisoo princess Diana penguin chess lion suit 60+ gen z year 2 3 - s "
        "tall, dark-skinned robed haired looking spider man focus solo kissed gave wears"
    )
)


def assert_closed(prompt: str, name: str) -> None:
    taxonomy = {"paper": TAXONOMY, "emoji": EMOJI}[name]
    try:
        candidates = build_candidates(prompt, taxonomy, max_candidates=64)
    except UserError:
        return
    assert len(set(candidates.prompts)) == len(candidates.prompts)
    for place, candidate in enumerate(candidates.prompts):
        again = build_candidates(candidate, taxonomy, max_candidates=64)
        assert (again.prompts, again.index) == (candidates.prompts, place)


@pytest.mark.parametrize("name", ["paper", "emoji"])
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_salads_of_these_words_are_closed_or_refused(name: str, salad: list[str]) -> None:
    assert_closed(" ".join(salad), name)


NOUNS = ["man", "women", "girl", "boys", "nun", "hostess", "actor", "grandmother", "toddler", "firefighter", "Jisoo"]
SAYING = [
    "young",
    "elderly",
    "middle-aged",
    "Korean",
    "half-Kenyan",
    "Mexican",
    "female",
    "70-year-old",
    "white",
]
AFTER = [", 34", "from Ghana", "of Irish descent", "in her forties", "aged nine", "of sixty years", "born in Delhi", ""]
PERSONS = st.tuples(st.lists(st.sampled_from(SAYING), max_size=2), st.sampled_from(NOUNS), st.sampled_from(AFTER))


@pytest.mark.parametrize("name", ["paper", "emoji"])
@given(st.lists(PERSONS, min_size=1, max_size=2), st.sampled_from(["and a", ", a", "beside an old house, a", "with a"]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_said_of_persons_is_hidden_or_listed(
    name: str, persons: list[tuple[list[str], str, str]], joint: str
) -> None:
    """Whatever a prompt says of a person's attributes is no longer in the candidates, or the user is told of it."""
    prompt = "a " + f" {joint} ".join(" ".join([*before, noun, after]).strip() for before, noun, after in persons)
    try:
        own, other = (TAXONOMY, EMOJI) if name == "paper" else (EMOJI, TAXONOMY)
        reading = read_prompt(prompt, own, PrivacyConfig(max_candidates=20_000), others=[other])
    except UserError:
        return
    told = " ".join([*(h[0] for h in reading.hidden), *(e.text for e in reading.exposures)]).lower().split()
    said = [word for before, _, _ in persons for word in before]
    said += [after.split()[-1] for _, _, after in persons if after and "descent" not in after]
    said += ["Irish" for _, _, after in persons if "descent" in after]
    assert [word for word in said if word.lower() not in told and word != "years"] == []
