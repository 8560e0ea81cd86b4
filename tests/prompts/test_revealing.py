"""Words that betray an attribute by context are listed, unless they are hidden themselves."""

import pytest

from obclip_cli.config import taxonomy_path
from obclip_cli.prompts.revealing import Revealing, revealing_words
from obclip_cli.prompts.taxonomy import load_taxonomy

PAPER, EMOJI = (load_taxonomy(taxonomy_path(name)) for name in ("paper", "emoji"))


@pytest.mark.parametrize("taxonomy", [PAPER, EMOJI], ids=["paper", "emoji"])
@pytest.mark.parametrize("word", ["beard", "pregnant"])
def test_of_gender(taxonomy, word: str) -> None:  # type: ignore[no-untyped-def]
    assert Revealing(word, "gender") in revealing_words(f"a person, {word.upper()}, old house", taxonomy)


def test_the_sixth_template_of_the_paper() -> None:
    prompt = "a young african male with a five o'clock shadow and prominent laugh lines around his eyes"
    assert revealing_words(prompt, PAPER) == [
        Revealing("five o'clock shadow", "gender"),
        Revealing("laugh lines", "age"),
    ]


def test_a_word_may_reveal_two_attributes() -> None:
    assert revealing_words("a man in a sari", PAPER) == [Revealing("sari", "gender"), Revealing("sari", "ethnicity")]


def test_hidden_words_are_not_listed() -> None:
    """The paper's taxonomy hides "bride" as a gender; in emoji art it is a role, which stays in sight."""
    assert revealing_words("a bride", PAPER) == []
    assert revealing_words("a bride", EMOJI) == [Revealing("bride", "gender")]


def test_most_prompts_reveal_nothing() -> None:
    assert revealing_words("a man riding a horse past an old church", PAPER) == []
