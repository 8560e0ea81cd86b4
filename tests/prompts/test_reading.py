"""A prompt's reading: all that stays in sight is said before anything is sent."""

import pytest

from obclip_cli import candidates
from obclip_cli.compose import compose_config
from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.prompts.exposures import Exposure
from obclip_cli.prompts.reading import Reading, decide, read_for, read_prompt
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy
from obclip_cli.prompts.window import Window

PAPER, EMOJI = (load_taxonomy(taxonomy_path(name)) for name in ("paper", "emoji"))
TWELVE = Window(lambda text: len(text.split()) + 2, 12)  # a word is a token; two more mark the ends


def read(prompt: str, taxonomy: Taxonomy = PAPER, names: str = "warn", **options) -> Reading:  # type: ignore[no-untyped-def]
    return read_prompt(prompt, taxonomy, PrivacyConfig(names=names, max_candidates=1000), **options)


def test_what_is_hidden_and_what_is_not() -> None:
    reading = read("young emma watson in a red dress, pale skin, a Muslim friend from Cairo")
    assert reading.hidden == (("young", "age", "young"), ("Cairo", "ethnicity", "african"))
    assert set(reading.exposures) == {
        Exposure("emma watson", "name"),
        Exposure("dress", "clothing", "gender"),
        Exposure("pale skin", "body", "ethnicity"),
        Exposure("muslim", "faith"),
    }


@pytest.mark.parametrize(("prompt", "word"), [("a young woman", "young"), ("an 82-year-old man", "82-year-old")])
def test_what_only_another_taxonomy_hides(prompt: str, word: str) -> None:
    assert read(prompt, EMOJI).exposures == ()
    assert read(prompt, EMOJI, others=[PAPER]).exposures == (Exposure(word, "not hidden here", "age"),)


def test_words_tied_to_nobody_are_said() -> None:
    assert read("young, by the sea").exposures == (Exposure("young", "residual", "age"),)
    assert read("a street in Lagos").exposures == (Exposure("lagos", "origin", "ethnicity"),)
    assert read("an old house, a dog and his bone, Chinese food").exposures == ()


@pytest.mark.parametrize("said", ["born in 1950", "born in the early 1980s", "born 1999", "class of '68"])
def test_a_year_of_birth_says_an_age(said: str) -> None:
    assert read(f"a woman, {said}, in a park").exposures == (Exposure(said, "residual", "age"),)


def test_words_past_the_window() -> None:
    reading = read("a photo in the park of two dogs and a cat with an old woman", window=TWELVE)
    assert reading.n == 6 and reading.in_name_only == (("old", "age"), ("woman", "gender"))
    assert reading.beyond == ("cat", "with", "an", "old", "woman")
    assert read("an old woman", window=TWELVE).in_name_only == ()


def test_names_can_be_kept_or_generalised() -> None:
    assert read("Sarah with a red hat", names="keep").exposures == ()
    reading = read("young Sarah with a red hat", names="generalise")
    assert (
        reading.candidates.prompts[0] == "young person with a red hat"
        and reading.prompt == "young Sarah with a red hat"
    )
    assert [name.text for name in reading.replaced] == ["Sarah"]


@pytest.mark.parametrize(
    ("prompt", "on_exposure", "terminal", "decision"),
    [
        ("a young woman", "ask", False, "send"),
        ("a bearded man", "ask", True, "ask"),
        ("a bearded man", "ask", False, "warn"),
        ("a bearded man", "refuse", True, "refuse"),
        ("a bowl of fruit", "ask", False, "refuse"),
        ("a bowl of fruit", "warn", False, "warn"),
        ("ein alter Mann mit Hut", "ask", False, "refuse"),
    ],
)
def test_decisions(prompt: str, on_exposure, terminal: bool, decision: str) -> None:  # type: ignore[no-untyped-def]
    assert decide(read(prompt), on_exposure, terminal=terminal) == decision


def test_lines_and_record_say_the_same() -> None:
    reading = read("ein alter Mann mit Hut")
    assert reading.lines() == [
        "not English: (de) only English prompts are read; translate it",
        "nothing is hidden: the prompt goes up as it is",
    ]
    record = reading.record(0.0)
    assert (record["language"], record["n"], record["lambda"]) == ("de", 1, None)
    assert read("a Mexican woman").lines() == [
        'hidden: "Mexican" (ethnicity: other)',
        'hidden: "woman" (gender: female)',
        'left out: "Mexican": no candidate says it',
    ]
    assert read("an actor").lines() == ['hidden: "actor" (gender: not said)']


def test_the_window_is_that_of_the_pairs_own_tokenizer() -> None:
    config = compose_config(["pair=mini"])
    reading = read_for(f"{'a red house and ' * 8}an old woman", config)
    assert reading.window == 24 and ("old woman", "age") in reading.in_name_only and reading.exposes
    assert reading.record()["window"]["without_effect"][-3:] == ["an", "old", "woman"]
    assert read_for("an old woman", config).beyond == ()


def test_candidates_from_python_warn_of_what_stays_in_sight() -> None:
    with pytest.warns(UserWarning, match=r'stays in sight: "sarah"'):
        assert candidates("young sarah") == ["young sarah", "middle-aged sarah", "old sarah"]
    assert candidates("young sarah", names="generalise")[2] == "old person"
    with pytest.warns(UserWarning, match="nothing is hidden"):
        assert candidates("a bowl of fruit") == ["a bowl of fruit"]
