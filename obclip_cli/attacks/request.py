"""Guess from the prompts of one request: how many, in which order, in which form."""

from collections import Counter

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, best, uniform
from obclip_cli.attacks.transcript import Transcript


class Prior(Guesser):
    """The best guess when nothing but membership of S tells: right with 1/M."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """Uniform on S."""
        return uniform(self.sent(transcript), transcript.n)


class Position(Guesser):
    """A candidate out of canonical order, else the first.

    Breaks clients that put p* first, or anywhere of its own.
    """

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The candidates without which the rest is in canonical order; needs two candidates at least."""
        order = [place for place in self.sent(transcript) if place is not None]
        if len(order) < 2:
            return None
        if order == sorted(order):
            return uniform(order[:1], transcript.n)
        rests = {place: [other for other in order if other != place] for place in order}
        strays = [place for place, rest in rests.items() if rest == sorted(rest)]
        # Two neighbours that were swapped look alike; the one that came too early is the likelier.
        return uniform(strays[:1] or order[:1], transcript.n)


class Surface(Guesser):
    """Spelling, article, case, spacing and word count.

    Breaks clients that keep the user's own spelling for p* and use canonical words for its decoys.
    """

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The candidate that is not in its canonical form; without one, that of the rarest word count."""
        places = self.sent(transcript)
        if len(places) < 2:
            return None
        counts = Counter(len(prompt.split()) for prompt in transcript.seen.prompts)
        scores = np.full(transcript.n, -np.inf)
        for place, prompt in zip(places, transcript.seen.prompts, strict=True):
            if place is not None:
                differs = prompt != transcript.candidates[place]
                scores[place] = differs + 0.5 / counts[len(prompt.split())]
        return best(scores)
