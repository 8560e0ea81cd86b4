"""Taxonomy files: what is wrong with one is said in one line; rows and parts become forms."""

from pathlib import Path

import pytest

from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.taxonomy import load_taxonomy

HAIR = """
attributes:
  hair: [red, black]
  gender: [male, female]
forms:
  hair: {carries: [hair], words: {red: red hair, black: black hair}}
  sex: {carries: [gender], use: adjective, words: {male: male, female: female}}
  work:
    carries: [gender]
    use: noun
    names_a_person: true
    rows:
      - {male: waiter | garcon, female: waitress}
      - {as: "{sex} actor", female: actress}
"""


def load(tmp_path: Path, text: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "hair.yaml"
    path.write_text(text)
    return load_taxonomy(path)


def test_a_new_attribute_is_a_file(tmp_path: Path) -> None:
    taxonomy = load(tmp_path, HAIR)
    found = build_candidates("an actress with red hair and two waitresses", taxonomy, max_candidates=8)
    assert found.prompts[found.index] == "a female actor with red hair and two waitresses"
    assert len(found.prompts) == 8


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hair: [red, black]", "hair: [red, red]", "attribute hair has the value red twice"),
        ("hair: [red, black]", "hair: []", "attribute hair has no values"),
        ("hair: [red, black]", "hair: [red, jet black]", '"jet black" of hair must be one word'),
        ("{red: red hair, black: black hair}", "{red: red hair}", "form hair has no word for black"),
        ("{red: red hair, black: black hair}", "{red: red hair, red: ginger}", '"red" is given twice'),
        ("black: black hair}", "black: red hair}", '"red hair" is listed twice'),
        ("black: black hair}", "black: black hair, blue: blue hair}", "unknown value blue"),
        ("carries: [hair]", "carries: [colour]", "unknown attribute colour"),
        ("carries: [hair], words", "wrods", "form hair must say what it carries"),
        ("use: noun", "use: nuon", '"nuon"; it can be always, adjective'),
        ("{sex} actor", "{sez} actor", "written as the unknown form sez"),
        ("{sex} actor", "actor", "must be written as forms that carry the same attributes"),
        ("attributes:", "attributs:", "needs attributes and forms"),
        ("attributes:", "reveals: {age: [cane]}\nattributes:", 'reveals has the unknown entry "age"'),
        ("attributes:", "attributes: [", "is not a taxonomy"),
    ],
)
def test_files_are_checked(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in HAIR
    with pytest.raises(UserError, match=words) as refusal:
        load(tmp_path, HAIR.replace(old, new, 1))
    assert "\n" not in str(refusal.value) and "hair.yaml" in str(refusal.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the taxonomy"):
        load_taxonomy(tmp_path / "none.yaml")
