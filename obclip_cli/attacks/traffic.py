"""Guess from what the client downloads."""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, uniform
from obclip_cli.attacks.transcript import Transcript


class Traffic(Guesser):
    """Breaks clients that fetch their own latent only."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """Uniform on the candidates whose latents were downloaded; needs an answered request of several."""
        rows = transcript.seen.rows_down
        if rows is None or len(transcript.seen.prompts) < 2:
            return None
        sent = self.sent(transcript)
        return uniform([sent[row] for row in rows], transcript.n)
