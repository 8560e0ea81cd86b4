"""Edits, re-rolls and seeds: what several requests about one prompt tell together, where p* is uniform on P."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from obclip_cli.attacks.seed_links import linked, pairs_found
from obclip_cli.attacks.transcript import Exchange
from obclip_cli.config import PrivacyConfig
from obclip_cli.device.choice import Chooser
from obclip_cli.errors import UserError
from obclip_cli.game.natural_text import MOST_CANDIDATES
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.decoys import candidate_values
from obclip_cli.prompts.detect import detect
from obclip_cli.prompts.taxonomy import Taxonomy, Values
from obclip_cli.protocol import CloudRequest

KEYS = 4  # clients, each with a secret of its own, who edit each prompt
CLIENTS, REQUESTS = 40, 5


def edited(prompt: str, taxonomy: Taxonomy) -> dict[str, CandidateSet]:
    """Attribute -> the candidates of the prompt without the words that say it, where only that attribute goes."""
    found = {}
    whole = build_candidates(prompt, taxonomy, max_candidates=MOST_CANDIDATES)
    for attribute in {name for _, name in whole.slots}:
        text = prompt
        for span in reversed(detect(prompt, taxonomy)):
            if taxonomy.form(span.form).carries == (attribute,):
                text = f"{text[: span.start]} {text[span.end :]}"
        try:
            without = build_candidates(" ".join(text.split()), taxonomy, max_candidates=MOST_CANDIDATES)
        except UserError:
            continue
        if [*without.slots] == [slot for slot in whole.slots if slot[1] != attribute] and without.slots:
            found[attribute] = without
    return found


def intersected(prompts: Sequence[str], taxonomy: Taxonomy, privacy: PrivacyConfig, *, edits: bool) -> np.ndarray:
    """(bound, success) of each client, (n, 2): it sends a prompt, then each edit of it, or the prompt again.

    The bound is the share of one request alone, 1/M, or 1/N where all are sent. The server keeps the candidates that
    every request allows: exact, as all are equally likely.
    """
    rows = []
    for prompt, number in itertools.product(prompts, range(KEYS)):
        try:
            whole = build_candidates(prompt, taxonomy, max_candidates=MOST_CANDIDATES)
            shorter = edited(prompt, taxonomy)
        except UserError:
            continue
        if not shorter:
            continue
        key = f"{prompt} {number}".encode()
        chooser = Chooser(taxonomy, privacy, key.rjust(32), random.Random(number))
        values, slots = candidate_values(whole.slots, taxonomy), [*whole.slots]
        for place, own in enumerate(values):
            first = _shown(chooser, replace(whole, index=place), taxonomy)
            left = set(first)
            for attribute, without in shorter.items() if edits else ():
                kept = [i for i, slot in enumerate(slots) if slot[1] != attribute]
                index = candidate_values(without.slots, taxonomy).index(tuple(own[i] for i in kept))
                shown = _shown(chooser, replace(without, index=index), taxonomy)
                left = {v for v in left if tuple(v[i] for i in kept) in shown}
            if not edits:
                left &= _shown(chooser, replace(whole, index=place), taxonomy)
            rows.append((1 / len(first), 1 / len(left)))
    return np.array(rows)


def _shown(chooser: Chooser, candidates: CandidateSet, taxonomy: Taxonomy) -> set[Values]:
    """The values that a request shows."""
    values = dict(zip(candidates.prompts, candidate_values(candidates.slots, taxonomy), strict=True))
    return {values[prompt] for prompt in chooser.choose(candidates).sent.prompts}


def links_by_seed(candidates: Sequence[tuple[str, ...]]) -> list[dict[str, object]]:
    """How well requests of many clients without a name are put together by their seeds, by what clients do with them.

    `success` is the F1 of pairs of one client; `prior` that of calling all one client.
    """
    chance = random.Random(0)
    clients = [number for number in range(CLIENTS) for _ in range(REQUESTS)]
    chance.shuffle(clients)
    seeds = {
        "one seed for everybody": [0] * len(clients),
        "a new seed each time": [chance.getrandbits(62) for _ in clients],
        "a seed of one's own, kept": [1000 + client for client in clients],
    }
    base = _f1(*pairs_found([range(len(clients))], clients))
    rows: list[dict[str, object]] = []
    for name, each in seeds.items():
        sent = [Exchange(CloudRequest(chance.choice(candidates), 1, 0, 1, 1.0, seed).to_bytes()) for seed in each]
        found = _f1(*pairs_found(linked(sent), clients))
        rows.append({"setting": name, "prompts": len(clients), "prior": base, "success": found, "beyond": found - base})
    return rows


def _f1(recall: float, precision: float) -> float:
    if precision != precision:  # nothing was linked
        return 0.0
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0
