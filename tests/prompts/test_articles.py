"""a or an, by sound."""

import pytest

from obclip_cli.prompts.articles import agree, article_for


@pytest.mark.parametrize("word", ["old", "indian", "elderly", "asian", "hour", "heiress", "18-year-old", "80", "11"])
def test_an(word: str) -> None:
    assert article_for(word) == "an"


@pytest.mark.parametrize("word", ["young", "european", "unicorn", "one-eyed", "useful", "110", "ukrainian", "uniform"])
def test_a(word: str) -> None:
    assert article_for(word) == "a"


@pytest.mark.parametrize(
    ("before", "word", "agreed"),
    [
        ("a ", "old", "an "),
        ("An ", "young", "A "),
        ("AN ", "old", "An "),
        ("with a  ", "european", "with a  "),
        ("the ", "old", "the "),
        ("banana ", "old", "banana "),
    ],
)
def test_only_the_article_next_to_the_word_agrees(before: str, word: str, agreed: str) -> None:
    assert agree(before, word) == agreed
