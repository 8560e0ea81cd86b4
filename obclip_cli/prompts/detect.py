"""Find the sensitive attributes that a prompt states, by rules (arXiv 2510.04153, Section 4.1)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from obclip_cli.errors import UserError
from obclip_cli.prompts.forms import Taxonomy, Values
from obclip_cli.prompts.mentions import find_mentions
from obclip_cli.prompts.nouns import describes_no_person
from obclip_cli.prompts.sentence import cut

Detector = Callable[[str, Taxonomy], list["Span"]]


@dataclass(frozen=True)
class Span:
    """A stretch of the prompt that says values: `prompt[start:end] == text`.

    Attributes:
        attributive: it stands before its noun, as "old" in "an old man".
        weak: any other word about the person counts before it, as before "actor".
    """

    start: int
    end: int
    text: str
    form: str
    values: Values
    person: int
    attributive: bool = False
    weak: bool = False


def detect(prompt: str, taxonomy: Taxonomy) -> list[Span]:
    """All spans, left to right, each tied to a person of the prompt (0, 1, ...).

    Which person a span belongs to depends on the forms and their places only, never on the values:
    otherwise two candidates of one prompt could be read differently (closure, Theorem 1).

    Raises:
        UserError: one person has two different values of one attribute.
    """
    spans = spans_of(prompt, taxonomy)
    said = said_values(spans, taxonomy)
    return [_agreeing(span, said, taxonomy) if span.weak else span for span in spans]


def _agreeing(span: Span, said: dict[tuple[int, str], str], taxonomy: Taxonomy) -> Span:
    """A word that is used of all genders, with what other words say of its person."""
    return replace(span, values=tuple(said[span.person, a] for a in taxonomy.form(span.form).carries))


def spans_of(prompt: str, taxonomy: Taxonomy) -> list[Span]:
    """All spans, contradictions and all; the persons are numbered in the order in which something is said of them."""
    mentions = [mention for mention in find_mentions(prompt, taxonomy) if mention.anchor is not None]
    numbers: dict[int, int] = {}
    spans = []
    for mention in mentions:
        assert mention.anchor is not None
        person = numbers.setdefault(mention.anchor, len(numbers))
        start, end = mention.unit.start, mention.unit.end
        text, name = prompt[start:end], mention.form.name
        spans.append(Span(start, end, text, name, mention.values, person, mention.attributive, mention.weak))
    return spans


def said_values(spans: list[Span], taxonomy: Taxonomy) -> dict[tuple[int, str], str]:
    """What is said of each person, as (person, attribute) -> value.

    Adjectives and nouns count before pronouns ("a woman around his eyes") and places, an adjective before what a noun
    implies ("an old boy"), and figures before all ("a young man of 45").

    Raises:
        UserError: one person has two different values of one attribute.
    """
    said: dict[tuple[int, str], str] = {}
    ranks: dict[tuple[int, str], int] = {}
    for span in sorted(spans, key=lambda span: _rank(span, taxonomy)):
        form = taxonomy.form(span.form)
        for attribute, value in zip(form.carries, span.values, strict=True):
            slot = (span.person, attribute)
            before, rank = said.setdefault(slot, value), ranks.setdefault(slot, _rank(span, taxonomy))
            if before == value or rank != _rank(span, taxonomy) or form.use == "pronoun":
                continue
            if not form.combines:
                raise UserError(
                    f"the prompt gives one person two values of {attribute}: {before} and {value}; keep one of them"
                )
            if before not in taxonomy.attributes[attribute]:
                said[slot] = value
    return said


def _rank(span: Span, taxonomy: Taxonomy) -> int:
    form = taxonomy.form(span.form)
    if span.weak:
        return 3
    if form.use in ("after", "number") or form.decades:
        return -1
    if form.use in ("pronoun", "place"):
        return 2
    return 1 if form.written_as else 0


def records(spans: list[Span], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """One record for every attribute of every span: start, end, text, attribute, value.

    Words that are used of all genders are hidden with their partners, but say no value: "actor" has no record.
    """
    return [
        {"start": span.start, "end": span.end, "text": span.text, "attribute": attribute, "value": value}
        for span in spans
        if not span.weak
        for attribute, value in zip(taxonomy.form(span.form).carries, span.values, strict=True)
    ]


def unread_words(prompt: str, taxonomy: Taxonomy, spans: list[Span]) -> list[tuple[str, str]]:
    """(word, attribute) of words that could say a value but are tied to no person: they stay in every candidate.

    Words that plainly describe a thing or an animal are not among them ("old house", "a dog and his bone").
    """
    units, found = cut(prompt, taxonomy), []
    read = {place for span in spans for place in range(span.start, span.end)}
    for place, unit in enumerate(units):
        if unit.start in read or not unit.meanings or describes_no_person(units, place):
            continue
        form = unit.meanings[0][0]
        of_things_too = form.only_before if "ethnicity" in form.carries else frozenset[str]()  # "white", not "ageing"
        if unit.text not in of_things_too | form.before_own | form.unmarked:
            found += [(unit.text, attribute) for attribute in form.carries]
    return found
