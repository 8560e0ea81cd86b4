"""A prompt cut into units: spellings of the taxonomy, other words, marks; each with its kind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from obclip_cli.prompts import english
from obclip_cli.prompts.ages import Age, ages
from obclip_cli.prompts.forms import Form, Taxonomy, Values
from obclip_cli.prompts.names import find_names

# Digits may stand apart: "2 3".
WORD = re.compile(r"(?<=\w)['’]s\b|\d(?:\s\d)+(?!\w)|\w+(?:[-'’]\w+)*|[^\w\s]")
LEAD = re.compile(r"(?<![\w-])\w+|(?<=half-)\w+|(?<=part-)\w+", re.IGNORECASE)
PARTLY = re.compile(r"(?<![\w-])(?:half|part|quarter)[\s-]+$", re.IGNORECASE)
LOOKING = r"(?:-(?:looking|born|descended|appearing|presenting|american|british|canadian|australian|brazilian|french))"
PROFESSION = re.compile(r"[a-z]{3,}(?:ologist|ographer|ician|icist|sperson|speople|worker|keeper|maker)s?")
KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("function", english.FUNCTION_WORDS),
    ("person", english.PERSONS),
    ("animal", english.ANIMALS),
    ("thing", english.THINGS),
)


@dataclass(frozen=True)
class Unit:
    """A spelling of the taxonomy, another word, or a mark.

    Attributes:
        text: in lower case with single spaces.
        kind: person, adjective, pronoun, animal, thing, function, mark or word.
        meanings: what a spelling of the taxonomy can say; empty for other words.
    """

    start: int
    end: int
    text: str
    kind: str
    meanings: tuple[tuple[Form, Values], ...] = ()

    @property
    def silent(self) -> bool:
        """Whether it says nothing by itself: other words, and those that are used of all genders."""
        return all(self.text in form.unmarked for form, _ in self.meanings)

    @property
    def names_a_role(self) -> bool:
        """Whether it is a role that says a gender: "priestess"."""
        return any(form.role for form, _ in self.meanings)

    def meaning(self, use: str) -> tuple[Form, Values] | None:
        """The first meaning for a use, see `forms.Use`."""
        return next((meaning for meaning in self.meanings if meaning[0].use == use), None)


@lru_cache(maxsize=4096)
def cut(prompt: str, taxonomy: Taxonomy) -> tuple[Unit, ...]:
    """All units of a prompt, left to right."""
    result: list[Unit] = []
    place = 0
    for spelled in sorted(_spelled(prompt, taxonomy), key=lambda unit: unit.start):
        result += [*_words(prompt, place, spelled.start), spelled]
        place = spelled.end
    return (*result, *_words(prompt, place, len(prompt)))


def _spelled(prompt: str, taxonomy: Taxonomy) -> Iterator[Unit]:
    """Names (as persons), the spellings of the taxonomy, its lookalikes (as plain words), and ages in years."""
    taken: set[int] = set()
    for name in find_names(prompt, taxonomy.vocabulary):
        taken |= {*range(name.start, name.end)}
        yield Unit(name.start, name.end, _plain(name.text), "person")
    for age in ages(prompt):
        meanings = _of_age(age, taxonomy)
        if meanings and taken.isdisjoint(range(age.start, age.end)):
            taken |= {*range(age.start, age.end)}
            yield Unit(age.start, age.end, _plain(prompt[age.start : age.end]), _kind(meanings), meanings)
    for match in _known(prompt, taxonomy):
        if taken.isdisjoint(range(*match.span())):
            text = re.sub(r"\s*-\s*", "-", _plain(match.group()))
            meanings = tuple(taxonomy.meanings.get(re.sub(rf"{LOOKING}$", "", text), ()))
            partly = PARTLY.search(prompt[: match.start()]) if any(form.combines for form, _ in meanings) else None
            start = partly.start() if partly else match.start()
            yield Unit(start, match.end(), text, _kind(meanings) if meanings else _plain_kind(text), meanings)


def _of_age(age: Age, taxonomy: Taxonomy) -> tuple[tuple[Form, Values], ...]:
    """What an age can say; "aged 70" stands after its person, where the taxonomy has a form for that."""
    said = tuple(
        (form, values)
        for form in taxonomy.forms
        if form.decades == (age.kind == "decade")
        and form.use != "number"
        and (form.use != "alone" or form.plural == age.plural)
        and (values := form.values_at(age.years))
    )
    after = tuple(meaning for meaning in said if meaning[0].use == "after")
    return after if after and age.kind == "aged" else said


def _known(prompt: str, taxonomy: Taxonomy) -> Iterator[re.Match[str]]:
    """The longest spelling or lookalike at every place, left to right."""
    patterns, end = _patterns(taxonomy), 0
    for lead in LEAD.finditer(prompt):
        pattern = patterns.get(lead.group().lower()) if lead.start() >= end else None
        if pattern is not None and (match := _compiled(pattern).match(prompt, lead.start())) is not None:
            end = match.end()
            yield match


@lru_cache(maxsize=16)
def _patterns(taxonomy: Taxonomy) -> dict[str, str]:
    """For the first letters of every spelling, a pattern of all that begin so: one for all would be slow, and most are
    never asked for.
    """
    joints = {word: r"\s+" for word in taxonomy.meanings} | {word: r"[\s-]+" for word in taxonomy.lookalikes}
    by_lead: dict[str, list[str]] = {}
    for word in sorted(joints, key=len, reverse=True):
        pattern = re.escape(word).replace(r"\ ", joints[word]).replace(r"\-", r"\s*-\s*").replace("'", "['’]")
        if any(form.combines for form, _ in taxonomy.meanings.get(word, ())):
            pattern += LOOKING + "?"
        by_lead.setdefault(re.split(r"\W", word)[0], []).append(pattern)
    return {lead: rf"(?:{'|'.join(words)})(?![\w-])" for lead, words in by_lead.items()}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _words(prompt: str, start: int, end: int) -> Iterator[Unit]:
    for match in WORD.finditer(prompt, start, end):
        text = _plain(match.group())
        yield Unit(match.start(), match.end(), text, _plain_kind(text))


def _plain_kind(text: str) -> str:
    """The kind of a word that the taxonomy does not know."""
    if not text[0].isalnum() and text != "&":
        return "mark"
    text = text.removesuffix("'s")
    kind = next((kind for kind, words in KINDS if text in words), None)
    return kind or ("person" if PROFESSION.fullmatch(text) else "word")


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").split())


def _kind(meanings: tuple[tuple[Form, Values], ...]) -> str:
    """What part the unit plays for its neighbours: a child word that may also stand before a noun is a person."""
    uses = {form.use for form, _ in meanings}
    if "noun" in uses or any(form.use == "always" and form.names_a_person for form, _ in meanings):
        return "person"
    if uses & {"adjective", "alone"} or any(form.stands_before for form, _ in meanings):
        return "adjective"
    return "pronoun" if "pronoun" in uses else "word"
