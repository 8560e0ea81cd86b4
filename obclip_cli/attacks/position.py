"""Guess by order: a candidate out of canonical order, else the first, which is the pivot of shared attention."""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, uniform
from obclip_cli.attacks.transcript import Transcript


class Position(Guesser):
    """Breaks clients that put p* first, or anywhere of its own."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The candidates without which the rest is in canonical order; needs two candidates at least."""
        order = [place for place in self.sent(transcript) if place is not None]
        if len(order) < 2:
            return None
        if order == sorted(order):
            return uniform(order[:1], transcript.n)
        strays = [place for place in order if _ascending([other for other in order if other != place])]
        # Two neighbours that were swapped look alike; the one that came too early is the likelier.
        return uniform(strays[:1] or order[:1], transcript.n)


def _ascending(order: list[int]) -> bool:
    return order == sorted(order)
