"""Guess blindly among the candidates that were sent."""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, uniform
from obclip_cli.attacks.transcript import Transcript


class Prior(Guesser):
    """The best guess when nothing but membership of S tells: right with 1/M."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """Uniform on S."""
        return uniform(self.sent(transcript), transcript.n)
