"""Guess from several requests of one client: what do they have in common?"""

from collections.abc import Callable

import numpy as np

from obclip_cli.attacks.knowledge import Knowledge, best, uniform
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.prompts.decoys import agreement


class IntersectionRepeated:
    """Over repetitions of the same prompt. Breaks decoys that are drawn afresh, and replacement."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def guess(self, transcript: Transcript) -> np.ndarray:
        """What all requests for these candidates have in common."""
        return intersect(all_requests(transcript, self._places), transcript)

    def _places(self, transcript: Transcript, exchange: Exchange) -> frozenset[int]:
        places = self.knowledge.places(transcript, exchange)
        return frozenset(place for place in places if place is not None)


class IntersectionDifferent:
    """Over different prompts that state the same attributes, supposing that they speak of one person."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def guess(self, transcript: Transcript) -> np.ndarray:
        """What all requests about these attributes have in common."""
        return intersect(all_requests(transcript, self._places), transcript)

    def _places(self, transcript: Transcript, exchange: Exchange) -> frozenset[int]:
        known = {values: place for place, values in enumerate(transcript.values)}
        readings = [self.knowledge.read(prompt) for prompt in exchange.prompts]
        same = [r.values for r in readings if r is not None and r.attributes == transcript.attributes]
        return frozenset(known[values] for values in same)


def all_requests(
    transcript: Transcript, places_of: Callable[[Transcript, Exchange], frozenset[int]]
) -> list[frozenset[int]]:
    """The candidates that each request of the client shows, without requests that show none."""
    sets = [places_of(transcript, exchange) for exchange in (transcript.seen, *transcript.past)]
    return [places for places in sets if places]


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
