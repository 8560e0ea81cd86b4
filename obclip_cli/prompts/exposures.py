"""Words that stay in every candidate and may reveal who is meant: names, body, faith, origin, clothing, and more."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from obclip_cli.prompts import english
from obclip_cli.prompts.ages import BIRTH_YEAR
from obclip_cli.prompts.detect import Detector, Span, records, spans_of, unread_words
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.names import Name, find_names
from obclip_cli.prompts.revealing import revealing_words


@dataclass(frozen=True)
class Exposure:
    """Words that stay in every candidate.

    Attributes:
        kind: name, character, residual (a value that could not be tied to a person), not hidden here (a value that
            only another taxonomy hides), body, faith, origin, clothing, or context.
        attribute: what they may reveal; None where that is open, as for a name.
    """

    text: str
    kind: str
    attribute: str | None = None


def exposures(
    sent: str, taxonomy: Taxonomy, find: Detector, others: Sequence[Taxonomy], *, names: bool
) -> list[Exposure]:
    """What stays in sight in a prompt in its canonical words.

    Args:
        others: taxonomies whose values count where `taxonomy` does not hide them.
        names: whether names are listed.
    """
    called = find_names(sent, taxonomy.vocabulary) if names else []
    found = [Exposure(name.text, _kind_of_name(name)) for name in called]
    spans = find(sent, taxonomy)
    taken = {place for span in spans for place in range(span.start, span.end)}
    found += _unread(sent, taxonomy, spans)
    for other in others:
        theirs = spans_of(sent, other)
        for record in records(theirs, other):
            decided = record["attribute"] in taxonomy.attributes and record["text"].lower() in taxonomy.meanings
            if record["start"] not in taken and not decided:
                found.append(Exposure(record["text"], "not hidden here", record["attribute"]))
        found += _unread(sent, other, theirs)
    revealing = {(r.word, r.attribute) for r in revealing_words(sent, taxonomy, find)}
    for kind, pattern in _patterns().items():
        for match in pattern.finditer(sent):
            word = match.group().lower()
            if match.start() not in taken and not BIRTH_YEAR.match(sent, match.start()):
                attributes: list[str | None] = [a for w, a in sorted(revealing) if w == word]
                found += [Exposure(word, kind, attribute) for attribute in attributes or [None]]
    found += [Exposure(match.group(), "residual", "age") for match in BIRTH_YEAR.finditer(sent)]
    known = {(exposure.text.lower(), exposure.attribute) for exposure in found}
    return found + [Exposure(word, "context", attribute) for word, attribute in sorted(revealing - known)]


def _unread(sent: str, taxonomy: Taxonomy, spans: list[Span]) -> list[Exposure]:
    """Words that could say a value but were tied to nobody; places tell of origin."""
    places = {word for form in taxonomy.forms if form.use == "place" for word, _ in form.spellings()}
    return [
        Exposure(text, "origin" if text in places else "residual", attribute)
        for text, attribute in unread_words(sent, taxonomy, spans)
    ]


def _kind_of_name(name: Name) -> str:
    return "name" if name.kind == "person" else "character"


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    listed = english.word_lists("exposures")
    return {kind: re.compile(rf"(?<![\w-])(?:{_alternatives(words)})(?![\w-])", re.I) for kind, words in listed.items()}


def _alternatives(listed: str) -> str:
    words = sorted((word.strip() for word in listed.split("|")), key=len, reverse=True)
    return "|".join(re.escape(word) for word in words if word)
