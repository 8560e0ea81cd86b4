"""Guess from what the client does with the answer: what it downloads, how long it stays."""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, uniform
from obclip_cli.attacks.transcript import Transcript


class Traffic(Guesser):
    """Breaks clients that stop the download once they have their own latent."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The last candidate whose latent went down, all where all did; needs an answered request of several."""
        rows, among = transcript.seen.rows_down, len(transcript.seen.prompts)
        if rows is None or among < 2:
            return None
        sent = self.sent(transcript)
        return uniform([sent[row] for row in (rows[-1:] if len(rows) < among else rows)], transcript.n)


class Timing(Guesser):
    """Breaks clients that leave once they have their own latent: the time tells how many rows they waited for."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The last row that was done when the client left; needs an answered request of several."""
        rows, worked, stayed = len(transcript.seen.prompts), transcript.seen.work_seconds, transcript.seen.stay_seconds
        if rows < 2 or worked is None or stayed is None:
            return None
        done = min(rows, max(1, round(rows * stayed / worked)))
        return uniform([self.sent(transcript)[done - 1]], transcript.n)
