"""Clients that leak on purpose, one leak each: controls that the attack meant for them must catch.

Each takes what ObCLIP would send (all candidates) and breaks one thing that Theorem 1 (arXiv 2510.04153) needs.
"""

import re
from dataclasses import replace

from obclip_cli.device.client import Query

PRONOUN = re.compile(r"\b(?:he|she|his|her|him|himself|herself)\b")


def own_first(query: Query) -> Query:
    """p* at the head of the list, where the pivot of shared attention stands."""
    own = query.candidates.prompts[query.candidates.index]
    others = [prompt for prompt in query.candidates.prompts if prompt != own]
    return _sending(query, (own, *others), 0)


def own_spelling(query: Query) -> Query:
    """p* in the user's own words among canonical decoys."""
    prompts = list(query.candidates.prompts)
    prompts[query.candidates.index] = query.prompt
    return _sending(query, tuple(prompts), query.candidates.index)


def own_pronouns(query: Query) -> Query:
    """Every candidate with p*'s pronouns, as in the paper's sixth template: "his eyes" for the women too."""
    own = PRONOUN.findall(query.candidates.prompts[query.candidates.index])

    def unadapted(prompt: str) -> str:
        words = iter(own)
        return PRONOUN.sub(lambda _: next(words), prompt)

    return _sending(query, tuple(unadapted(p) for p in query.candidates.prompts), query.candidates.index)


def only_own_row(query: Query) -> tuple[int, ...]:
    """Download the own latent only."""
    return (query.candidates.index,)


def until_own_row(query: Query) -> float:
    """Leave once the own latent is there: the share of the answer's time, if rows come one after the other."""
    return (query.candidates.index + 1) / len(query.candidates.prompts)


def _sending(query: Query, prompts: tuple[str, ...], index: int) -> Query:
    return replace(query, candidates=replace(query.candidates, prompts=prompts, index=index))
