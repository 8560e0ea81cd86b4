"""Guess the candidate that reads most like what people write, by a causal language model."""

from functools import cached_property
from typing import Any

import numpy as np
import torch

from obclip_cli.attacks.knowledge import Guesser, Knowledge, best
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.errors import UserError


class LanguageModel(Guesser):
    """Breaks candidates that do not agree with the words around them ("a woman ... around his eyes")."""

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.name = knowledge.language_model
        self.scored: dict[str, float] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The likeliest prompt of the request; needs a model."""
        if self.name is None:
            return None
        scores = np.full(transcript.n, -np.inf)
        places = self.sent(transcript)
        for place, prompt in zip(places, transcript.seen.prompts, strict=True):
            if place is not None:
                scores[place] = self._log_likelihood(prompt)
        return best(scores)

    def _log_likelihood(self, prompt: str) -> float:
        """Mean log-probability of a token, so that longer words are not unlikelier."""
        if prompt not in self.scored:
            model, tokenizer = self._model
            tokens = tokenizer(prompt, return_tensors="pt").input_ids
            with torch.no_grad():
                self.scored[prompt] = -float(model(tokens, labels=tokens).loss)
        return self.scored[prompt]

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.name)
            return AutoModelForCausalLM.from_pretrained(self.name).eval(), tokenizer
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:120]
            raise UserError(f"the language model {self.name} cannot be read ({reason}); name a folder") from error
