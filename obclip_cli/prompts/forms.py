"""Sensitive attributes, their values, and the words that say them (arXiv 2510.04153, Section 4.1: F_i)."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Values = tuple[str, ...]
# How the words of a form are told from words that look like them; configs/privacy/taxonomy/paper.yaml explains each.
Use = Literal["always", "adjective", "alone", "noun", "pronoun", "after", "number", "place"]
PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, eq=False)
class Form:
    """One way of saying values of `carries`; `words` has the canonical word of every combination of them.

    Attributes:
        also: other spellings of a combination; these may say values that no candidate has (`Taxonomy.outside`).
        written_as: instead of `words`, how the canonical text is put together from other forms: "{age} {man}".
        before_a_word: tells spellings apart that differ by what follows: "her dog" (his), "saw her" (him).
        only_before: spellings that count only before a person noun: "white".
        before_own: spellings that count only before a noun that says the attribute too: "little girl".
        unmarked: spellings that are used of all genders; any other word about the person counts before them: "actor".
        years: ages in numbers and decades that belong to a value, as (first, last) years.
        of_animals_too: words that animals share: "mother", "baby".
        combines: two of its words may describe one person: "British Asian".
        role: its nouns may stand before another of the same person: "a priestess girl".
    """

    name: str
    carries: tuple[str, ...]
    words: dict[Values, str]
    also: dict[Values, tuple[str, ...]] = field(default_factory=dict)
    use: Use = "always"
    names_a_person: bool = False
    stands_before: bool = False
    before_a_word: bool | None = None
    written_as: str | None = None
    only_before: frozenset[str] = frozenset()
    before_own: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    years: dict[Values, tuple[int, int]] = field(default_factory=dict)
    decades: bool = False
    of_animals_too: bool = False
    combines: bool = False
    role: bool = False

    @property
    def plural(self) -> bool:
        """Whether it is written as several persons."""
        return bool(self.written_as and self.written_as.endswith("people"))

    def spellings(self) -> list[tuple[str, Values]]:
        """Every surface form with the values it says."""
        canonical = [(word, values) for values, word in self.words.items()]
        return canonical + [(word, values) for values, words in self.also.items() for word in words]

    def values_at(self, years: int) -> Values | None:
        """What an age in years says."""
        return next((values for values, (first, last) in self.years.items() if first <= years <= last), None)


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """Attributes with their value spaces, the forms that say them, and words that only hint at them.

    Attributes:
        outside: values that words can say but no candidate has, by attribute.
        lookalikes: phrases that say nothing although their words do: "queen size".
        reveals: words that betray an attribute by context, by attribute: "beard".
    """

    name: str
    attributes: dict[str, tuple[str, ...]]
    forms: tuple[Form, ...]
    outside: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lookalikes: tuple[str, ...] = ()
    reveals: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Form]:
        return {form.name: form for form in self.forms}

    @cached_property
    def meanings(self) -> dict[str, list[tuple[Form, Values]]]:
        """What each spelling can say, in the order of the forms."""
        meanings: dict[str, list[tuple[Form, Values]]] = {}
        for form in self.forms:
            for word, values in form.spellings():
                meanings.setdefault(word, []).append((form, values))
        return meanings

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of every spelling; none is a part of a person's name that is put together."""
        return frozenset(part for word in self.meanings for part in (word, *word.split()))

    def form(self, name: str) -> Form:
        return self.by_name[name]

    def word(self, form: Form, said: dict[str, str], *, left_out: frozenset[str] = frozenset()) -> str:
        """The canonical text of a form.

        Args:
            said: attribute -> value, for all that the form carries.
            left_out: attributes that a word before this one has said already.
        """
        if form.written_as is None:
            return form.words[tuple(said[attribute] for attribute in form.carries)]

        def part(place: re.Match[str]) -> str:
            other = self.form(place[1])
            return "" if set(other.carries) <= left_out else self.word(other, said)

        return " ".join(PLACE.sub(part, form.written_as).split())
