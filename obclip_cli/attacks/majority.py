"""Guess what people say most often, whatever the request says: the baseline of every attack on natural text."""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser
from obclip_cli.attacks.transcript import Transcript


class Majority(Guesser):
    """Breaks nothing: what it gets right was known before the request came."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """The sent candidates by the prior of their values; where there is none, by how often the corpus says them."""
        if self.knowledge.priors:
            return self.weighed(transcript, np.ones(transcript.n))
        chances = np.ones(transcript.n)
        for slot, attribute in enumerate(transcript.attributes):
            counts = self.knowledge.said[attribute]
            chances *= [1 + counts[values[slot]] for values in transcript.values]
        return self.weighed(transcript, chances)
