"""Find the sensitive attributes that a prompt states, by rules (arXiv 2510.04153, Section 4.1)."""

import re
from dataclasses import dataclass
from functools import cache

from obclip_cli.errors import UserError
from obclip_cli.prompts.taxonomy import Form, Taxonomy, Values

# A word before a person ("a dark-skinned smiling woman") may be this many words away from the noun.
REACH = 3


@dataclass(frozen=True)
class Span:
    """A stretch of the prompt that says values: `prompt[start:end] == text`."""

    start: int
    end: int
    text: str
    form: str
    values: Values
    person: int


def detect(prompt: str, taxonomy: Taxonomy) -> list[Span]:
    """All spans, left to right, each tied to a person of the prompt (0, 1, ...).

    Which person a span belongs to depends on the forms and their places only, never on the values:
    otherwise two candidates of one prompt could be read differently (closure, Theorem 1).

    Raises:
        UserError: one person has two different values of one attribute.
    """
    spellings = _spellings(taxonomy)
    found = []
    for match in _pattern(tuple(spellings)).finditer(prompt):
        before_a_word = re.match(r"\s+\w", prompt[match.end() :]) is not None
        for form, values in spellings[_plain(match.group())]:
            if form.before_a_word in (None, before_a_word):
                found.append((match, form, values))
                break
    persons = _persons(prompt, [(match, form) for match, form, _ in found])
    spans = [
        Span(match.start(), match.end(), match.group(), form.name, values, person)
        for (match, form, values), person in zip(found, persons, strict=True)
    ]
    _check_consistent(spans, taxonomy)
    return spans


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower())


@cache
def _pattern(spellings: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(spellings, key=len, reverse=True)
    words = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)


def _spellings(taxonomy: Taxonomy) -> dict[str, list[tuple[Form, Values]]]:
    meanings: dict[str, list[tuple[Form, Values]]] = {}
    for form in taxonomy.forms:
        for word, values in form.spellings():
            meanings.setdefault(word, []).append((form, values))
    return meanings


def _persons(prompt: str, found: list[tuple[re.Match[str], Form]]) -> list[int]:
    """Number the person of each span: a noun starts one; what stands before a noun goes with it."""
    persons: list[int] = []
    current, has_noun = 0, False
    for place, (match, form) in enumerate(found):
        starts_new = form.names_a_person or (form.stands_before and _noun_follows(prompt, match, found[place + 1 :]))
        if starts_new and has_noun:
            current, has_noun = current + 1, False
        has_noun = has_noun or form.names_a_person
        persons.append(current)
    return persons


def _noun_follows(prompt: str, match: re.Match[str], rest: list[tuple[re.Match[str], Form]]) -> bool:
    """Whether a person noun stands within reach, so that this adjective describes it."""
    for later, form in rest:
        if form.names_a_person:
            between = prompt[match.end() : later.start()]
            return len(between.split()) <= REACH and not re.search(r"[.;!?]|\band\b", between)
    return False


def _check_consistent(spans: list[Span], taxonomy: Taxonomy) -> None:
    said: dict[tuple[int, str], str] = {}
    for span in spans:
        for attribute, value in zip(taxonomy.form(span.form).carries, span.values, strict=True):
            before = said.setdefault((span.person, attribute), value)
            if before != value:
                raise UserError(
                    f"the prompt gives one person two values of {attribute}: {before} and {value}; keep one of them"
                )
