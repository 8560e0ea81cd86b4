"""Guess the candidate that reads most like what people write: by an n-gram model of the corpus, or a causal model."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from obclip_cli.attacks.knowledge import Guesser, Knowledge, Reading
from obclip_cli.attacks.ngram import NgramModel, tokens
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.errors import UserError
from obclip_cli.prompts.taxonomy import Values

MOST = 64  # candidates of a text that is read
FEW = 50  # texts that a causal model reads
SCALES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


class LanguageModel(Guesser):
    """Breaks candidates that do not agree with the words around them ("a woman ... around his eyes")."""

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.name = knowledge.language_model
        self.scored: dict[str, float] = {}

    def guess(self, transcript: Transcript) -> np.ndarray:
        """The prompts of the request by their likelihood, less that of their values in other words."""
        scores = np.full(transcript.n, -np.inf)
        places = self.sent(transcript)
        for place, score in zip(places, self._scores(transcript.seen.prompts), strict=True):
            if place is not None:
                scores[place] = score
        if not np.isfinite(scores).any():
            return self.weighed(transcript, np.ones(transcript.n))
        scores -= self._of_values(transcript.attributes, transcript.values)
        return self.weighed(transcript, np.exp(self._scale * (scores - scores.max())))

    def _scores(self, prompts: tuple[str, ...], ngrams: NgramModel | None = None) -> np.ndarray:
        """Log-likelihoods (n,), each of as many words as the shortest prompt has."""
        read = self._log_likelihood if ngrams is None else ngrams.log_likelihood
        found: np.ndarray = min(len(tokens(p)) for p in prompts) * np.array([read(prompt) for prompt in prompts])
        return found

    @cached_property
    def _held_out(self) -> list[tuple[Reading, np.ndarray]]:
        """Texts that the model was not fitted on, and the scores of their candidates."""
        halves, found = [self.knowledge.texts[::2], self.knowledge.texts[1::2]], []
        for half, other in zip(halves, halves[::-1], strict=True):
            ngrams = NgramModel(other) if self.name is None else None
            readings = [r for r in map(self.knowledge.read, half) if r is not None and 1 < len(r.candidates) <= MOST]
            for reading in readings if self.name is None else readings[:FEW]:
                found.append((reading, self._scores(reading.candidates, ngrams)))
        return found

    @cached_property
    def _usual(self) -> dict[tuple[str, str], float]:
        """The mean log-chance of each value of an attribute, whatever the words around it."""
        found: dict[tuple[str, str], list[float]] = {}
        for reading, scores in self._held_out:
            chances: dict[tuple[str, str], float] = {}
            softmax = np.exp(scores - np.logaddexp.reduce(scores))
            for values, chance in zip(self._spaces(reading), softmax, strict=True):
                for of in zip(reading.attributes, values, strict=True):
                    chances[of] = chances.get(of, 1e-9) + float(chance)
            for of, chance in chances.items():
                found.setdefault(of, []).append(float(np.log(chance)))
        return {of: float(np.mean(logs)) for of, logs in found.items()}

    @cached_property
    def _scale(self) -> float:
        """How far the scores are to be trusted: the scale at which the held-out texts are likeliest."""

        def likelihood(scale: float) -> float:
            total = 0.0
            for reading, scores in self._held_out:
                logs = scale * (scores - self._of_values(reading.attributes, self._spaces(reading)))
                total += logs[reading.candidates.index(reading.canonical)] - np.logaddexp.reduce(logs)
            return total

        return max(SCALES, key=likelihood)

    def _of_values(self, attributes: tuple[str, ...], candidates: Sequence[Values]) -> np.ndarray:
        """What the values alone are worth, for each candidate (N,)."""
        each = [[self._usual.get(of, 0.0) for of in zip(attributes, v, strict=True)] for v in candidates]
        return np.array(each).sum(axis=1)

    def _spaces(self, reading: Reading) -> list[Values]:
        return list(itertools.product(*(self.knowledge.taxonomy.attributes[a] for a in reading.attributes)))

    def _log_likelihood(self, prompt: str) -> float:
        """Mean log-probability of a token, so that longer words are not unlikelier."""
        if prompt not in self.scored:
            self.scored[prompt] = self._ngrams.log_likelihood(prompt) if self.name is None else self._read(prompt)
        return self.scored[prompt]

    def _read(self, prompt: str) -> float:
        model, tokenizer = self._model
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            return -float(model(ids, labels=ids).loss)

    @cached_property
    def _ngrams(self) -> NgramModel:
        return NgramModel(self.knowledge.texts)

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name)
            return AutoModelForCausalLM.from_pretrained(self.name).eval(), tokenizer
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:120]
            raise UserError(f"the language model {self.name} cannot be read ({reason}); name a folder") from error
