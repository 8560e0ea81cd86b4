"""Guess blindly among the candidates that were sent."""

import numpy as np

from obclip_cli.attacks.knowledge import Knowledge, uniform
from obclip_cli.attacks.transcript import Transcript


class Prior:
    """The best guess when nothing but membership of S tells: right with 1/M."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def guess(self, transcript: Transcript) -> np.ndarray:
        """Uniform on S."""
        places = self.knowledge.places(transcript, transcript.seen)
        return uniform([place for place in places if place is not None], transcript.n)
