"""Guess from several requests of one client: what do they have in common?"""

import numpy as np

from obclip_cli.attacks.knowledge import Guesser, best, uniform
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.prompts.decoys import agreement


class Intersection(Guesser):
    """What all requests of one client show; `shown` says which candidates a request does."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """The likeliest candidates, given every request that shows any."""
        sets = [self.shown(transcript, exchange) for exchange in (transcript.seen, *transcript.past)]
        return intersect([places for places in sets if places], transcript)

    def shown(self, transcript: Transcript, exchange: Exchange) -> frozenset[int]:
        """The candidates that one request shows."""
        raise NotImplementedError


class IntersectionRepeated(Intersection):
    """Over repetitions of the same prompt. Breaks decoys that are drawn afresh, and replacement."""

    def shown(self, transcript: Transcript, exchange: Exchange) -> frozenset[int]:
        """Those whose prompts were sent."""
        return frozenset(p for p in self.knowledge.places(transcript, exchange) if p is not None)


class IntersectionDifferent(Intersection):
    """Over different prompts that state the same attributes, supposing that they speak of one person."""

    def shown(self, transcript: Transcript, exchange: Exchange) -> frozenset[int]:
        """Those whose values the sent prompts state."""
        known = {values: place for place, values in enumerate(transcript.values)}
        readings = [self.knowledge.read(prompt) for prompt in exchange.prompts]
        same = [r.values for r in readings if r is not None and r.attributes == transcript.attributes]
        return frozenset(known[values] for values in same)


def intersect(sets: list[frozenset[int]], transcript: Transcript) -> np.ndarray:
    """The likeliest candidates, given the sets of one client that never changed its mind.

    Those that every set holds; among them, and where there are none, those that agree best with all that was sent,
    which is the likelihood of a draw by the exponential mechanism up to its normaliser. Where single prompts change
    from request to request, each was a replacement, and it is the one never sent.
    """
    if not sets:
        return uniform([], transcript.n)
    counts = np.zeros(transcript.n)
    for places in sets:
        counts[list(places)] += 1
    if len(set(sets)) > 1 and all(len(places) == 1 for places in sets):
        return best(-counts)
    common = counts == len(sets)
    likeness = agreement(transcript.values) @ counts
    return best(np.where(common, likeness, -np.inf) if common.any() else likeness)
