"""Names of persons: found, told from places, artists and plain words, and replaced in the same grammar."""

import pytest

from obclip_cli.config import taxonomy_path
from obclip_cli.prompts.names import find_names, generalise
from obclip_cli.prompts.taxonomy import load_taxonomy

SPELLINGS = load_taxonomy(taxonomy_path("paper")).vocabulary


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Portrait photo of Sarah, a nurse", ["Sarah"]),
        ("obese keanu reeves and donald trump", ["keanu reeves", "donald trump"]),
        ("young ana de armas", ["ana de armas"]),
        ("a brazilian mary elizabeth winstead", ["mary elizabeth winstead"]),
        ("princess Diana with mr. rogers", ["princess Diana", "mr. rogers"]),
        ("snoop dogg as spider - man", ["snoop dogg", "spider - man"]),
        ("jack black and neil young", ["jack black", "neil young"]),
    ],
)
def test_names(prompt: str, expected: list[str]) -> None:
    found = find_names(prompt, SPELLINGS)
    assert [name.text for name in found] == expected
    assert all(prompt[name.start : name.end] == name.text for name in found)


@pytest.mark.parametrize(
    "prompt",
    [
        "a woman by greg rutkowski and alphonse mucha",
        "a castle in the style of Vincent van Gogh",
        "a street in San Francisco at dawn",
        "a rose on a sunny hill, mark of grace",
        "a christian man in a jean jacket",
        "A Grim Elven Mage In Black Attire",
    ],
)
def test_what_is_no_name(prompt: str) -> None:
    assert find_names(prompt, SPELLINGS) == []


def test_a_value_never_decides_what_is_a_name() -> None:
    """Otherwise two candidates could be read differently: "jack young" and "jack old"."""
    assert [name.text for name in find_names("sarah young in a park", SPELLINGS)] == ["sarah"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Sarah and a young Korean Jisoo", "A person and a young Korean person"),
        ("emma watson's red hat", "a person's red hat"),
        ("photo of the Obama family", "photo of the person family"),
        ("a castle by greg rutkowski", "a castle by greg rutkowski"),
    ],
)
def test_generalise(prompt: str, expected: str) -> None:
    assert generalise(prompt, SPELLINGS)[0] == expected
