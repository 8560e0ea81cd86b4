"""A prompt as it is read before anything is sent: what is hidden, and what stays in sight and may reveal it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from obclip_cli.config import Config, taxonomy_path
from obclip_cli.prompts import english
from obclip_cli.prompts.candidates import CandidateSet, build_candidates, check_prompt
from obclip_cli.prompts.canonical import settle
from obclip_cli.prompts.detect import Detector, Span, detect, records, spans_of, unread_words
from obclip_cli.prompts.detect_transformer import load_detector
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.language import other_language
from obclip_cli.prompts.names import Name, find_names, generalise
from obclip_cli.prompts.revealing import revealing_words
from obclip_cli.prompts.taxonomy import load_taxonomy

Names = Literal["keep", "warn", "generalise"]


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


@dataclass(frozen=True)
class Window:
    """What a text encoder reads of a prompt.

    Attributes:
        count: the number of tokens of a text, with the marks of its start and end.
        limit: the number of tokens that are read; the rest is cut off.
    """

    count: Callable[[str], int]
    limit: int

    def end(self, prompt: str) -> int:
        """The place of the first word that is not read as a whole; the prompt's length if all are."""
        words = list(re.finditer(r"\S+", prompt))
        first, last = 0, len(words)
        while first < last:  # counts grow with the text
            middle = (first + last) // 2
            if self.count(prompt[: words[middle].end()]) > self.limit:
                last = middle
            else:
                first = middle + 1
        return words[first].start() if first < len(words) else len(prompt)


@dataclass(frozen=True)
class Reading:
    """All that a user should see before a request is made. Secret: it never leaves the device.

    Attributes:
        prompt: as typed; it stays on the device.
        candidates: what may be sent.
        hidden: (words, attribute, value) of the prompt.
        exposures: what stays in sight, each once.
        replaced: names that the candidates have "a person" for.
        language: an ISO 639 code where the prompt is not English, so that nothing in it is understood.
        beyond: words past the text encoder's window, which have no effect on the image.
        in_name_only: (word, attribute) of hidden words past the window: all candidates look alike there.
    """

    prompt: str
    candidates: CandidateSet
    hidden: tuple[tuple[str, str, str], ...] = ()
    exposures: tuple[Exposure, ...] = ()
    replaced: tuple[Name, ...] = ()
    language: str | None = None
    beyond: tuple[str, ...] = ()
    in_name_only: tuple[tuple[str, str], ...] = ()

    @property
    def n(self) -> int:
        return len(self.candidates.prompts)

    @property
    def exposes(self) -> bool:
        """Whether the user should look at it before it is sent."""
        return bool(self.exposures or self.in_name_only) or self.in_the_clear

    @property
    def in_the_clear(self) -> bool:
        """Whether the prompt goes up as it is: nothing was found to hide, or it was not understood."""
        return self.n == 1 or self.language is not None

    def lines(self) -> list[str]:
        """What to tell the user, one finding a line, in plain text."""
        found = [f'hidden: "{text}" ({attribute}: {value})' for text, attribute, value in self.hidden]
        found += [f'left out, no candidate has its value: "{word}"' for word in self.candidates.left_out]
        found += [f'replaced by "a person": "{name.text}"' for name in self.replaced]
        found += [f'hidden in name only, past the text encoder\'s window: "{w}" ({a})' for w, a in self.in_name_only]
        for exposure in self.exposures:
            reveals = f", may reveal {exposure.attribute}" if exposure.attribute else ""
            found.append(f'stays in sight: "{exposure.text}" ({exposure.kind}{reveals})')
        if self.beyond:
            found.append(f"without effect, past the text encoder's window: {' '.join(self.beyond)}")
        if self.language is not None:
            found.append(f"not English ({self.language}): only English prompts are read; translate it")
        return [*found, "nothing is hidden" if self.n == 1 else f"{self.n} candidates"]

    def record(self) -> dict[str, Any]:
        """The same for a summary, without the candidates."""
        return {
            "n": self.n,
            "hidden": [list(hidden) for hidden in self.hidden],
            "left_out": list(self.candidates.left_out),
            "exposures": [[e.text, e.kind, e.attribute] for e in self.exposures],
            "replaced_names": [name.text for name in self.replaced],
            "language": self.language or "en",
            "beyond_window": list(self.beyond),
            "hidden_in_name_only": [list(hidden) for hidden in self.in_name_only],
        }


def read_prompt(
    prompt: str,
    taxonomy: Taxonomy,
    *,
    max_candidates: int,
    find: Detector = detect,
    others: Sequence[Taxonomy] = (),
    names: Names = "warn",
    window: Window | None = None,
) -> Reading:
    """Read a prompt without sending anything.

    Args:
        others: taxonomies whose values count as exposed where `taxonomy` does not hide them.
        names: keep says nothing of names, warn lists them, generalise has candidates say "a person".
        window: the text encoder's; without it no word counts as cut off.

    Raises:
        UserError: the prompt cannot be hidden, see `build_candidates`.
    """
    typed = check_prompt(prompt)
    shown, replaced = generalise(typed, taxonomy.vocabulary) if names == "generalise" else (typed, ())
    candidates = build_candidates(shown, taxonomy, max_candidates=max_candidates, find=find)
    spans = find(shown, taxonomy)
    said = records(spans, taxonomy)
    sent, settled = settle(shown, taxonomy, find)
    end = len(sent) if window is None else window.end(sent)
    cut_off = [record for record in records(settled, taxonomy) if record["end"] > end]
    return Reading(
        typed,
        candidates,
        tuple((record["text"], record["attribute"], record["value"]) for record in said),
        tuple(dict.fromkeys(_exposures(sent, taxonomy, find, others, names))),
        replaced,
        other_language(shown),
        tuple(sent[end:].split()),
        tuple((record["text"], record["attribute"]) for record in cut_off),
    )


def _exposures(
    sent: str, taxonomy: Taxonomy, find: Detector, others: Sequence[Taxonomy], names: Names
) -> list[Exposure]:
    """What stays in sight in a prompt in its canonical words."""
    found = (
        [] if names == "keep" else [Exposure(n.text, _kind_of_name(n)) for n in find_names(sent, taxonomy.vocabulary)]
    )
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
            if match.start() not in taken:
                attributes: list[str | None] = [a for w, a in sorted(revealing) if w == word]
                found += [Exposure(word, kind, attribute) for attribute in attributes or [None]]
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


def read_for(prompt: str, config: Config) -> Reading:
    """Read a prompt as a configuration asks for it; what other taxonomies hide counts as exposed.

    Raises:
        UserError: the prompt cannot be hidden, or the detector cannot be loaded.
    """
    privacy, own = config.privacy, taxonomy_path(config.pair.taxonomy)
    others = [load_taxonomy(path) for path in sorted(own.parent.glob("*.yaml")) if path != own]
    find = load_detector(privacy.detector)
    return read_prompt(prompt, load_taxonomy(own), max_candidates=privacy.max_candidates, find=find, others=others)


def decide(reading: Reading, on_exposure: str, *, terminal: bool) -> Literal["send", "warn", "ask", "refuse"]:
    """What to do with a prompt before it is sent.

    Args:
        on_exposure: `ask` asks in a terminal; without one it refuses what would go up in the clear and else warns.
    """
    if not reading.exposes:
        return "send"
    if on_exposure in ("warn", "refuse"):
        return "warn" if on_exposure == "warn" else "refuse"
    if terminal:
        return "ask"
    return "refuse" if reading.in_the_clear else "warn"
