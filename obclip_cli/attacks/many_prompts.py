"""Guess from many prompts about one person: what the words around say adds up (naive Bayes)."""

import numpy as np

from obclip_cli.attacks.context import Context
from obclip_cli.attacks.transcript import Transcript


class ManyPrompts(Context):
    """Breaks what no choice of candidates repairs: each prompt's context tells a little, also where all are sent."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """The product over all different requests of a client that state the same attributes."""
        told = {exchange.prompts: exchange for exchange in (transcript.seen, *transcript.past)}
        rows = [self.chances(transcript, e) for e in told.values() if self._is_alike(transcript, e.prompts[0])]
        return self.weighed(transcript, add_up(np.array(rows))) if rows else super().guess(transcript)

    def _is_alike(self, transcript: Transcript, prompt: str) -> bool:
        reading = self.knowledge.read(prompt)
        return reading is not None and reading.attributes == transcript.attributes


def add_up(chances: np.ndarray) -> np.ndarray:
    """Chances (N,) given all of several independent prompts, from the chances (n, N) given each."""
    logs = np.log(np.maximum(chances, 1e-12)).sum(axis=0)
    together: np.ndarray = np.exp(logs - logs.max())
    return together
