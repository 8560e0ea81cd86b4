"""What the server knows beside the traffic: the algorithm, its own models, and what it can read up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from diffusers import DiffusionPipeline

from obclip_cli.attacks.corpus import CAPTIONS, read_corpus
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.config import PairConfig
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.metrics.judge import Judge
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy, Values

MANY = 1024
# They agree with the person's noun, so where a request leaves them alone they tell its gender.
PRONOUNS = frozenset(["he", "she", "his", "her", "hers", "him", "himself", "herself"])


@dataclass(frozen=True)
class Reading:
    """A prompt as the public rules read it.

    Attributes:
        candidates: all candidates; `canonical` is the one that it is.
        attributes: one name a slot.
        values: one value a slot.
    """

    candidates: tuple[str, ...]
    canonical: str
    attributes: tuple[str, ...]
    values: Values


@dataclass
class Knowledge:
    """The adversary's means.

    Args:
        taxonomy: which attributes clients hide.
        pair: the server runs its cloud model and judge; without one, attacks that need a model do not apply.
        corpus: what people write, see `corpus.read_corpus`; or the texts themselves.
        language_model: a causal language model by folder or hub id; without one an n-gram model of the corpus.
        priors: attribute -> value -> how often people mean it; all values are alike where nothing is said.
    """

    taxonomy: Taxonomy
    pair: PairConfig | None = None
    corpus: Path | Sequence[str] = CAPTIONS
    language_model: str | None = None
    priors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    _readings: dict[str, Reading | None] = field(default_factory=dict, repr=False)

    def read(self, prompt: str) -> Reading | None:
        """A prompt by the public rules; None where they refuse it."""
        if prompt not in self._readings:
            self._readings[prompt] = self._read(prompt)
        return self._readings[prompt]

    def _read(self, prompt: str) -> Reading | None:
        try:
            found = build_candidates(prompt, self.taxonomy, max_candidates=MANY)
        except UserError:
            return None
        attributes = tuple(attribute for _, attribute in found.slots)
        return Reading(found.prompts, found.prompts[found.index], attributes, tuple(found.slots.values()))

    def places(self, transcript: Transcript, exchange: Exchange) -> list[int | None]:
        """Which candidate of the transcript each prompt of an exchange is; None where it is none of them.

        A prompt that contradicts itself ("a woman ... his eyes") is known by its words without pronouns.
        """
        known = {prompt: place for place, prompt in enumerate(transcript.candidates)}
        bare = {_without_pronouns(prompt): place for prompt, place in known.items()}
        places = []
        for prompt in exchange.prompts:
            reading = self.read(prompt)
            place = None if reading is None else known.get(reading.canonical)
            places.append(bare.get(_without_pronouns(prompt)) if place is None else place)
        return places

    @cached_property
    def texts(self) -> list[str]:
        """The corpus."""
        return read_corpus(self.corpus) if isinstance(self.corpus, Path) else list(self.corpus)

    @cached_property
    def said(self) -> dict[str, Counter[str]]:
        """How often the corpus says each value, by attribute."""
        counts: dict[str, Counter[str]] = {attribute: Counter() for attribute in self.taxonomy.attributes}
        for reading in filter(None, map(self.read, self.texts)):
            for attribute, value in zip(reading.attributes, reading.values, strict=True):
                counts[attribute][value] += 1
        return counts

    def prior(self, transcript: Transcript) -> np.ndarray:
        """What is likely before anything is sent: a weight of each candidate, (N,)."""
        weights = np.ones(transcript.n)
        for slot, attribute in enumerate(transcript.attributes):
            if known := self.priors.get(attribute):
                weights *= [known.get(values[slot], 0.0) for values in transcript.values]
        return weights

    @cached_property
    def pipeline(self) -> DiffusionPipeline | None:
        """The cloud's own model."""
        if self.pair is None:
            return None
        return load_pipeline(self.pair.cloud, dtype=self.pair.dtype, device=default_device())

    @cached_property
    def judge(self) -> Judge | None:
        """A model that names what an image shows."""
        return None if self.pair is None or self.pair.judge is None else Judge(self.pair.judge)


class Guesser:
    """What attacks on the sent prompts have in common.

    Args:
        knowledge: all that an attack may use beside the transcript.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def sent(self, transcript: Transcript) -> list[int | None]:
        """Which candidate each prompt of the observed request is; None where it is none of them."""
        return self.knowledge.places(transcript, transcript.seen)

    def weighed(self, transcript: Transcript, chances: np.ndarray) -> np.ndarray:
        """Chances (N,) times the prior, on those that were sent as far as that is known; uniform where none is left."""
        known = [place for place in self.sent(transcript) if place is not None]
        on = np.isin(np.arange(transcript.n), known) if known else np.ones(transcript.n, dtype=bool)
        weighed: np.ndarray = (chances / chances.max() * self.knowledge.prior(transcript) * on).round(9)
        return weighed / weighed.sum() if weighed.any() else uniform(known, transcript.n)


def _without_pronouns(prompt: str) -> tuple[str, ...]:
    return tuple(word for word in prompt.lower().split() if word not in PRONOUNS)


def uniform(places: Sequence[int | None], n: int) -> np.ndarray:
    """Equal probabilities (N,) on some candidates, those that are known; on all where there are none."""
    chances = np.zeros(n)
    chances[[place for place in places if place is not None] or slice(None)] = 1
    return chances / chances.sum()


def best(scores: np.ndarray) -> np.ndarray:
    """Equal probabilities (N,) on the candidates of the highest score (N,)."""
    return uniform(np.flatnonzero(scores == scores.max()).tolist(), len(scores))
