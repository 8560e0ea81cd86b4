"""A prompt as it is read before anything is sent: what is hidden, and what stays in sight and may reveal it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from obclip_cli.config import Config, PrivacyConfig, taxonomy_path
from obclip_cli.prompts.candidates import CandidateSet, build_candidates, check_prompt
from obclip_cli.prompts.canonical import settle
from obclip_cli.prompts.detect import Detector, detect, records
from obclip_cli.prompts.detect_transformer import load_detector
from obclip_cli.prompts.exposures import Exposure, exposures
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.language import other_language
from obclip_cli.prompts.names import Name, generalise
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.prompts.window import Window, window_of_pair


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
        window: the number of tokens that the text encoder reads; None where its tokenizer is not at hand.
        beyond: words past that window, which have no effect on the image.
        in_name_only: (word, attribute) of hidden words past the window: all candidates look alike there.
    """

    prompt: str
    candidates: CandidateSet
    hidden: tuple[tuple[str, str, str], ...] = ()
    exposures: tuple[Exposure, ...] = ()
    replaced: tuple[Name, ...] = ()
    language: str | None = None
    window: int | None = None
    beyond: tuple[str, ...] = ()
    in_name_only: tuple[tuple[str, str], ...] = ()

    @property
    def n(self) -> int:
        return len(self.candidates.prompts)

    @property
    def exposes(self) -> bool:
        """Whether the user should look at it before it is sent."""
        return bool(self.exposures or self.beyond) or self.in_the_clear

    @property
    def in_the_clear(self) -> bool:
        """Whether the prompt goes up as it is: nothing was found to hide, or it was not understood."""
        return self.language is not None or (self.n == 1 and not self.replaced)

    def lines(self) -> list[str]:
        """What to tell the user, one finding a line, in plain text."""
        return [f"{heading}: {said}" for heading, said in findings(self.record())]

    def refusal(self) -> str:
        """Why the prompt is not sent."""
        return (
            f'"{self.prompt}" was not sent: {"; ".join(self.lines())}; privacy.on_exposure=warn sends it all the same'
        )

    def record(self, lambda_: float | None = None) -> dict[str, Any]:
        """The same for a summary, without the candidates.

        Args:
            lambda_: of what is sent; it says nothing, and is left at null, where nothing is hidden.
        """
        return {
            "n": self.n,
            "lambda": None if self.n == 1 or lambda_ is None else round(lambda_, 9),
            "hidden": [{"text": text, "attribute": a, "value": value} for text, a, value in self.hidden],
            "left_out": list(self.candidates.left_out),
            "may_reveal": [{"text": e.text, "kind": e.kind, "attribute": e.attribute} for e in self.exposures],
            "replaced_names": [name.text for name in self.replaced],
            "language": self.language or "en",
            "window": {
                "tokens": self.window,
                "without_effect": list(self.beyond),
                "hidden_in_name_only": [{"text": text, "attribute": a} for text, a in self.in_name_only],
            },
        }


def findings(record: dict[str, Any]) -> list[tuple[str, str]]:
    """A reading's record for a person: (what it is, the words)."""
    window = record["window"]
    past = f"past the {window['tokens']} tokens that the text encoder reads"
    found = [("hidden", f'"{h["text"]}" ({h["attribute"]}: {h["value"]})') for h in record["hidden"]]
    found += [("left out", f'"{word}": no candidate says it') for word in record["left_out"]]
    found += [("replaced", f'"{name}": the cloud sees "a person"') for name in record["replaced_names"]]
    for exposure in record["may_reveal"]:
        reveals = f", may reveal {exposure['attribute']}" if exposure["attribute"] else ""
        found.append(("stays in sight", f'"{exposure["text"]}" ({exposure["kind"]}{reveals})'))
    found += [("in name only", f'"{h["text"]}" ({h["attribute"]}): {past}') for h in window["hidden_in_name_only"]]
    if window["without_effect"]:
        found.append(("without effect", f"{past}: {' '.join(window['without_effect'])}"))
    if record["language"] != "en":
        found.append(("not English", f"({record['language']}) only English prompts are read; translate it"))
    if record["n"] == 1:
        found.append(("nothing is hidden", "but names" if record["replaced_names"] else "the prompt goes up as it is"))
    return found


def read_prompt(
    prompt: str,
    taxonomy: Taxonomy,
    privacy: PrivacyConfig,
    *,
    find: Detector = detect,
    others: Sequence[Taxonomy] = (),
    window: Window | None = None,
) -> Reading:
    """Read a prompt without sending anything.

    Args:
        others: taxonomies whose values count as exposed where `taxonomy` does not hide them.
        window: the text encoder's; without it no word counts as cut off.

    Raises:
        UserError: the prompt cannot be hidden, see `build_candidates`.
    """
    typed, limit = check_prompt(prompt), None if window is None else window.limit
    if privacy.strategy == "none":  # it is the user's wish that the cloud sees it
        return Reading(typed, CandidateSet((typed,), 0, {}), window=limit)
    candidates = candidates_for(typed, taxonomy, privacy, find)
    shown, replaced = generalise(typed, taxonomy.vocabulary) if privacy.names == "generalise" else (typed, ())
    said = find(shown, taxonomy)
    sent, settled = settle(shown, taxonomy, find)
    end = len(sent) if window is None else window.end(sent)
    cut_off = [record for record in records(settled, taxonomy) if record["end"] > end]
    return Reading(
        typed,
        candidates,
        tuple(
            (span.text, attribute, "not said" if span.weak else value)
            for span in said
            for attribute, value in zip(taxonomy.form(span.form).carries, span.values, strict=True)
        ),
        tuple(dict.fromkeys(exposures(sent, taxonomy, find, others, names=privacy.names != "keep"))),
        replaced,
        other_language(shown),
        limit,
        tuple(sent[end:].split()),
        tuple((record["text"], record["attribute"]) for record in cut_off),
    )


def candidates_for(prompt: str, taxonomy: Taxonomy, privacy: PrivacyConfig, find: Detector = detect) -> CandidateSet:
    """The candidates of a prompt; with `privacy.names=generalise` of the prompt without its names.

    Raises:
        UserError: see `build_candidates`.
    """
    if privacy.names == "generalise":
        prompt, _ = generalise(check_prompt(prompt), taxonomy.vocabulary)
    return build_candidates(prompt, taxonomy, max_candidates=privacy.max_candidates, find=find)


def read_for(prompt: str, config: Config, window: Window | None = None) -> Reading:
    """Read a prompt as a configuration asks for it; what other taxonomies hide counts as exposed.

    Args:
        window: the text encoder's; by default that of the pair's own tokenizer, if its files are here.

    Raises:
        UserError: the prompt cannot be hidden, or the detector cannot be loaded.
    """
    taxonomy, others = _taxonomies(config.pair.taxonomy)
    window = window_of_pair(config.pair) if window is None else window
    find = load_detector(config.privacy.detector)
    return read_prompt(prompt, taxonomy, config.privacy, find=find, others=others, window=window)


@lru_cache(maxsize=4)
def _taxonomies(name: str) -> tuple[Taxonomy, tuple[Taxonomy, ...]]:
    """A taxonomy, and those beside it."""
    own = taxonomy_path(name)
    others = [load_taxonomy(path) for path in sorted(own.parent.glob("*.yaml")) if path != own]
    return load_taxonomy(own), tuple(others)


def candidates(prompt: str, *, taxonomy: str = "paper", names: str = "warn", max_candidates: int = 64) -> list[str]:
    """The candidates of a prompt, as the cloud would see them at λ = 0. No model is loaded.

    Warns of what stays in sight in all of them.

    Args:
        taxonomy: which attributes are sensitive, a name in configs/privacy/taxonomy.
        names: keep, warn or generalise: the candidates say "a person" for a name.

    Raises:
        UserError: there is no such taxonomy, or `build_candidates` refuses the prompt.
    """
    own, others = _taxonomies(taxonomy)
    reading = read_prompt(prompt, own, PrivacyConfig(names=names, max_candidates=max_candidates), others=others)
    if reading.exposes:
        warnings.warn("; ".join(reading.lines()), stacklevel=2)
    return list(reading.candidates.prompts)


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
