"""Guess from how long the client stayed."""

import numpy as np

from obclip_cli.attacks.knowledge import Knowledge, uniform
from obclip_cli.attacks.transcript import Transcript


class Timing:
    """Breaks clients that leave once they have their own latent: the time tells how many rows they waited for."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The last row that was done when the client left; needs an answered request of several."""
        rows, worked, stayed = len(transcript.seen.prompts), transcript.seen.work_seconds, transcript.seen.stay_seconds
        if rows < 2 or worked is None or stayed is None:
            return None
        done = min(rows, max(1, round(rows * stayed / worked)))
        place = self.knowledge.places(transcript, transcript.seen)[done - 1]
        return uniform([] if place is None else [place], transcript.n)
