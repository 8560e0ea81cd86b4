"""Prompts that are refused before anything is done with them, each in one line."""

import pytest

from obclip_cli.errors import UserError
from obclip_cli.prompts.prompt_text import check_prompt


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("\u3000", "empty"),
        ("a " * 5000, "9999 characters; shorten it to 2000"),
        ("a\x00man", r"control characters \(U\+0000\)"),
        ("a\x1b[31m man", r"control characters \(U\+001B\)"),
        ("a \u202eman", r"invisible character \(U\+202E\)"),  # text that runs backwards on the screen
        ("a \u2067man\u2069", r"invisible character \(U\+2067\)"),
        ("a wo\u200bman", r"invisible character \(U\+200B\)"),  # "woman" that nobody finds
        ("a wo\u200dman", r"invisible character \(U\+200D\)"),
        ("a wo\u00adman", r"invisible character \(U\+00AD\)"),
        ("a \ud800 man", r"control characters \(U\+D800\)"),
    ],
)
def test_refused(prompt: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        check_prompt(prompt)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("prompt", "plain"),
    [
        ("  a\n man\t", "a man"),
        ("رجل عجوز", "رجل عجوز"),
        ("איש זקן", "איש זקן"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian is written with joiners
        ("👩\u200d🚒 at work", "👩\u200d🚒 at work"),
        ("naïve café, (closeup:1.2)", "naïve café, (closeup:1.2)"),
    ],
)
def test_welcome(prompt: str, plain: str) -> None:
    assert check_prompt(prompt) == plain
