"""Sensitive attributes, their values, and the words that say them (arXiv 2510.04153, Section 4.1: F_i)."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from obclip_cli.errors import UserError

Values = tuple[str, ...]


@dataclass(frozen=True)
class Form:
    """One way of saying values of `carries`; `words` has the canonical word of every combination of them.

    `before_a_word` tells spellings apart that differ by what follows: "her dog" (his), "saw her" (him).
    """

    name: str
    carries: tuple[str, ...]
    words: dict[Values, str]
    also: dict[Values, tuple[str, ...]]
    names_a_person: bool = False
    stands_before: bool = False
    before_a_word: bool | None = None

    def spellings(self) -> list[tuple[str, Values]]:
        """Every surface form with the values it says."""
        canonical = [(word, values) for values, word in self.words.items()]
        return canonical + [(word, values) for values, words in self.also.items() for word in words]


@dataclass(frozen=True)
class Taxonomy:
    """Attributes with their value spaces, and the forms that say them."""

    name: str
    attributes: dict[str, tuple[str, ...]]
    forms: tuple[Form, ...]

    def form(self, name: str) -> Form:
        return next(form for form in self.forms if form.name == name)


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises:
        UserError: a value is missing, unknown, or said by two entries.
    """
    data = yaml.safe_load(path.read_text())
    attributes = {name: tuple(values) for name, values in data["attributes"].items()}
    forms = tuple(_form(path, name, entry, attributes) for name, entry in data["forms"].items())
    _check_spellings(path, forms)
    return Taxonomy(path.stem, attributes, forms)


def _form(path: Path, name: str, entry: dict[str, Any], attributes: dict[str, tuple[str, ...]]) -> Form:
    carries = tuple(entry["carries"])
    if unknown := [a for a in carries if a not in attributes]:
        raise UserError(f"{path.name}: form {name} carries the unknown attribute {unknown[0]}")
    expected = list(itertools.product(*(attributes[a] for a in carries)))
    words = {tuple(key.split(" ")): word for key, word in entry["words"].items()}
    also = {tuple(key.split(" ")): tuple(words) for key, words in entry.get("also", {}).items()}
    if missing := [v for v in expected if v not in words]:
        raise UserError(f"{path.name}: form {name} has no word for {' '.join(missing[0])}")
    if unknown := [v for v in (*words, *also) if v not in expected]:
        raise UserError(f"{path.name}: form {name} has a word for the unknown value {' '.join(unknown[0])}")
    position = entry.get("position", "after")
    names_a_person, before_a_word = bool(entry.get("names_a_person")), entry.get("before_a_word")
    return Form(name, carries, words, also, names_a_person, position == "before", before_a_word)


def _check_spellings(path: Path, forms: tuple[Form, ...]) -> None:
    seen: set[tuple[str, bool | None]] = set()
    for form in forms:
        for word, _ in form.spellings():
            if (word, form.before_a_word) in seen:
                raise UserError(f'{path.name}: "{word}" is listed twice; each spelling can say only one thing')
            seen.add((word, form.before_a_word))
