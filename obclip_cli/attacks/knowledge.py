"""What the server knows beside the traffic: the algorithm, its own models, and what it can read up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from diffusers import DiffusionPipeline

from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.config import PairConfig
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.metrics.judge import Judge
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy, Values

OWN_CORPUS = Path(__file__).with_name("corpus.txt")
MANY = 1024
# They agree with the person's noun, so where a request leaves them alone they tell its gender.
PRONOUNS = frozenset(["he", "she", "his", "her", "hers", "him", "himself", "herself"])


@dataclass(frozen=True)
class Reading:
    """A prompt as the public rules read it.

    Attributes:
        canonical: the candidate that it is.
        attributes: one name a slot.
        values: one value a slot.
    """

    canonical: str
    attributes: tuple[str, ...]
    values: Values


@dataclass
class Knowledge:
    """The adversary's means.

    Args:
        taxonomy: which attributes clients hide.
        pair: the server runs its cloud model and judge; without one, attacks that need a model do not apply.
        corpus: captions as people write them, one a line, or a CSV file with a column `caption`.
        language_model: a causal language model by folder or hub id.
    """

    taxonomy: Taxonomy
    pair: PairConfig | None = None
    corpus: Path = OWN_CORPUS
    language_model: str | None = None
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
        return Reading(found.prompts[found.index], attributes, tuple(found.slots.values()))

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
