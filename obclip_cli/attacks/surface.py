"""Guess by form: spelling, article, case, spacing and word count of what was sent."""

from collections import Counter

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, best
from obclip_cli.attacks.transcript import Transcript


class Surface(Guesser):
    """Breaks clients that keep the user's own spelling for p* and use canonical words for its decoys."""

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
