"""Find the sensitive attributes that a prompt states, by rules (arXiv 2510.04153, Section 4.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from obclip_cli.errors import UserError
from obclip_cli.prompts.forms import Form, Taxonomy, Values
from obclip_cli.prompts.readings import Reading, read

Detector = Callable[[str, Taxonomy], list["Span"]]


@dataclass(frozen=True)
class Span:
    """A stretch of the prompt that says values: `prompt[start:end] == text`.

    Attributes:
        attributive: it stands before its noun, as "old" in "an old man".
    """

    start: int
    end: int
    text: str
    form: str
    values: Values
    person: int
    attributive: bool = False


def detect(prompt: str, taxonomy: Taxonomy) -> list[Span]:
    """All spans, left to right, each tied to a person of the prompt (0, 1, ...).

    Which person a span belongs to depends on the forms and their places only, never on the values:
    otherwise two candidates of one prompt could be read differently (closure, Theorem 1).

    Raises:
        UserError: one person has two different values of one attribute.
    """
    found = read(prompt, taxonomy)
    spans = _spans(prompt, [reading for reading in found if reading.anchor is not None])
    said_values(spans, taxonomy)
    return spans


def _spans(prompt: str, readings: list[Reading]) -> list[Span]:
    """Number the persons in the order in which something is said of them."""
    numbers: dict[int, int] = {}
    spans = []
    for reading in readings:
        assert reading.anchor is not None
        person = numbers.setdefault(reading.anchor, len(numbers))
        start, end = reading.unit.start, reading.unit.end
        span = Span(start, end, prompt[start:end], reading.form.name, reading.values, person, reading.attributive)
        spans.append(span)
    return spans


def said_values(spans: list[Span], taxonomy: Taxonomy) -> dict[tuple[int, str], str]:
    """What is said of each person, as (person, attribute) -> value.

    Adjectives and nouns count before pronouns ("a woman around his eyes"), and an adjective before what a noun
    implies ("an old boy").

    Raises:
        UserError: one person has two different values of one attribute.
    """
    said: dict[tuple[int, str], str] = {}
    ranks: dict[tuple[int, str], int] = {}
    for span in sorted(spans, key=lambda span: _rank(taxonomy.form(span.form))):
        form = taxonomy.form(span.form)
        for attribute, value in zip(form.carries, span.values, strict=True):
            slot = (span.person, attribute)
            before, rank = said.setdefault(slot, value), ranks.setdefault(slot, _rank(form))
            if before == value or rank != _rank(form) or form.use == "pronoun":
                continue
            if not (form.combines and span.attributive):
                raise UserError(
                    f"the prompt gives one person two values of {attribute}: {before} and {value}; keep one of them"
                )
            if before not in taxonomy.attributes[attribute]:
                said[slot] = value
    return said


def _rank(form: Form) -> int:
    if form.use == "pronoun":
        return 2
    return 1 if form.written_as else 0


def records(spans: list[Span], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """One record for every attribute of every span: start, end, text, attribute, value."""
    return [
        {"start": span.start, "end": span.end, "text": span.text, "attribute": attribute, "value": value}
        for span in spans
        for attribute, value in zip(taxonomy.form(span.form).carries, span.values, strict=True)
    ]
