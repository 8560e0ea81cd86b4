"""Guess from what the client downloads."""

import numpy as np

from obclip_cli.attacks.knowledge import Knowledge, uniform
from obclip_cli.attacks.transcript import Transcript


class Traffic:
    """Breaks clients that fetch their own latent only."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """Uniform on the candidates whose latents were downloaded; needs an answered request of several."""
        rows = transcript.seen.rows_down
        if rows is None or len(transcript.seen.prompts) < 2:
            return None
        places = self.knowledge.places(transcript, transcript.seen)
        taken = [place for row in rows if (place := places[row]) is not None]
        return uniform(taken, transcript.n)
