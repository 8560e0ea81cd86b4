"""The game on natural text: what a server learns of a prompt that a person typed, beyond what was likely anyway.

Every prompt is sent with all its candidates (λ = 0), so that only the words around can tell.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from obclip_cli.attacks import ATTACKS
from obclip_cli.attacks.context import Context, mask
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.game.scoring import success
from obclip_cli.metrics.intervals import Estimate, of_mean
from obclip_cli.protocol import CloudRequest

ALL = "all together"
OPENING, FOLDS = 4, 5
MOST_CANDIDATES = 64
# Of a two-sided test at 95 %: a difference of so many standard errors is called in 80 of 100 runs.
CALLED = 1.96 + 0.84
Priors = dict[str, dict[str, float]]
ATTACKED = ("majority", "context", "language-model", "names")


@dataclass(frozen=True)
class Typed:
    """One prompt as its server sees it, and the truth.

    Attributes:
        opening: its first words without those of hidden attributes.
        place: which of the transcript's candidates it is.
    """

    text: str
    opening: str
    transcript: Transcript
    place: int

    @property
    def own(self) -> tuple[str, ...]:
        """Its values, one a slot."""
        return self.transcript.values[self.place]


def typed(texts: Sequence[str], knowledge: Knowledge) -> list[Typed]:
    """The texts that hide anything: those that have candidates, and no more than a client sends."""
    found = []
    for text in texts:
        reading = knowledge.read(text)
        if reading is None or not 1 < len(reading.candidates) <= MOST_CANDIDATES:
            continue
        message = CloudRequest(reading.candidates, 1, 0, 1, 1.0, 0).to_bytes()
        values = tuple(itertools.product(*(knowledge.taxonomy.attributes[a] for a in reading.attributes)))
        transcript = Transcript(reading.candidates, reading.attributes, values, Exchange(message))
        opening = " ".join(mask(text, knowledge.taxonomy).lower().split()[:OPENING])
        found.append(Typed(text, opening, transcript, reading.candidates.index(reading.canonical)))
    return found


def priors_of(prompts: Sequence[Typed]) -> Priors:
    """How often each value is meant: the server is supposed to know that of the very prompts that it attacks."""
    counts: dict[str, Counter[str]] = {}
    for prompt in prompts:
        for attribute, value in zip(prompt.transcript.attributes, prompt.own, strict=True):
            counts.setdefault(attribute, Counter())[value] += 1
    return {name: {value: n / count.total() for value, n in count.items()} for name, count in counts.items()}


def folds(train: Sequence[Typed] | None, test: Sequence[Typed]) -> Iterator[tuple[list[str], list[Typed]]]:
    """(texts to learn from, prompts to guess), never with an opening in common.

    Args:
        train: another corpus; None learns from the other parts of `test` itself.
    """
    openings = sorted({prompt.opening for prompt in test})
    part_of = {opening: place % FOLDS for place, opening in enumerate(openings)}
    for part in range(1 if train is not None else FOLDS):
        guessed = [prompt for prompt in test if train is not None or part_of[prompt.opening] == part]
        taken = {prompt.opening for prompt in guessed}
        yield [prompt.text for prompt in (test if train is None else train) if prompt.opening not in taken], guessed


def one_prompt(train: Sequence[Typed] | None, test: Sequence[Typed], knowledge: Knowledge) -> pd.DataFrame:
    """Attacks on single prompts: one row an attack, prompt and attribute, with `hit` and the prior's `prior_hit`."""
    rows: list[dict[str, Any]] = []
    priors = priors_of(test)
    for texts, guessed in folds(train, test):
        learnt = replace(knowledge, corpus=texts, priors=priors)
        attacks = {name: ATTACKS[name](learnt) for name in ATTACKED}
        for prompt in guessed:
            before = attacks["majority"].guess(prompt.transcript)
            for name, attack in attacks.items():
                if (guess := attack.guess(prompt.transcript)) is None:
                    continue
                hits, prior_hits = _hits(prompt, guess), _hits(prompt, before)
                rows += [{"attack": name, "attribute": a, "hit": hits[a], "prior_hit": prior_hits[a]} for a in hits]
    return pd.DataFrame(rows)


def _hits(prompt: Typed, guess: np.ndarray | None) -> dict[str, float]:
    """Chance of being right by attribute (the mean over persons), and in all of them together."""
    assert guess is not None
    found: dict[str, list[float]] = {ALL: [success(guess, prompt.place)]}
    for slot, attribute in enumerate(prompt.transcript.attributes):
        chances = marginal(prompt.transcript, guess, slot)
        values = list(chances)
        hit = success(np.array([chances[value] for value in values]), values.index(prompt.own[slot]))
        found.setdefault(attribute, []).append(hit)
    return {attribute: float(np.mean(hits)) for attribute, hits in found.items()}


def marginal(transcript: Transcript, chances: np.ndarray, slot: int) -> dict[str, float]:
    """The chance of each value of one slot, from those of the candidates (N,)."""
    found: dict[str, float] = {}
    for values, chance in zip(transcript.values, chances, strict=True):
        found[values[slot]] = found.get(values[slot], 0.0) + float(chance)
    return {value: round(chance, 9) for value, chance in found.items()}


def scored(hits: pd.DataFrame, by: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    """One row a group: success, the prior's, the difference of pairs with its interval, and what would be called."""
    rows = []
    for names, group in hits.groupby(list(by), sort=False):
        beyond = (group["hit"] - group["prior_hit"]).to_numpy(dtype=float)
        found, spread = of_mean(beyond, rng), beyond.std(ddof=1) if len(beyond) > 1 else float("nan")
        row = {"prompts": len(group), "prior": group["prior_hit"].mean(), "success": group["hit"].mean()}
        rows.append(dict(zip(by, names, strict=True)) | row | told(found, CALLED * spread / len(beyond) ** 0.5))
    return pd.DataFrame(rows)


def told(beyond: Estimate, called: float) -> dict[str, float]:
    """Columns of a difference to the prior: `called_from` is the true difference that 80 of 100 such runs would see."""
    return {"beyond": beyond.value, "low": beyond.low, "high": beyond.high, "called_from": called}


def many_prompts(
    train: Sequence[Typed] | None,
    test: Sequence[Typed],
    knowledge: Knowledge,
    attribute: str,
    counts: Sequence[int],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Persons who type several prompts under λ = 0, whose contexts the server adds up (naive Bayes).

    No corpus says who typed what, so persons are simulated: each has one value of the attribute, drawn as often as the
    corpus says it, and types prompts of that value. Intervals are of resampled prompts.
    """
    logs, truth = _told_of(train, test, knowledge, attribute)
    whole = _persons(logs, truth, counts, 4000, rng)
    chosen = (rng.integers(len(truth), size=len(truth)) for _ in range(200))
    again = np.array([_persons(logs[rows], truth[rows], counts, 200, rng) for rows in chosen])
    rows = []
    for place, count in enumerate(counts):
        (right, prior), beyond = whole[place], again[:, place, 0] - again[:, place, 1]
        low, high = np.percentile(beyond, [2.5, 97.5])
        estimate = Estimate(right - prior, float(low), float(high))
        row = {"attack": f"many-prompts, {count}", "attribute": attribute, "prompts": len(truth)}
        rows.append(row | {"prior": prior, "success": right} | told(estimate, CALLED * beyond.std(ddof=1)))
    return pd.DataFrame(rows)


def _told_of(
    train: Sequence[Typed] | None, test: Sequence[Typed], knowledge: Knowledge, attribute: str
) -> tuple[np.ndarray, np.ndarray]:
    """What the context of each prompt says: log-chances (n, values) without a prior, and the true value's place."""
    values = knowledge.taxonomy.attributes[attribute]
    logs, truth = [], []
    for texts, guessed in folds(train, test):
        attack = Context(replace(knowledge, corpus=texts))
        for prompt in [prompt for prompt in guessed if prompt.transcript.attributes.count(attribute) == 1]:
            slot = prompt.transcript.attributes.index(attribute)
            told = marginal(prompt.transcript, attack.chances(prompt.transcript, prompt.transcript.seen), slot)
            logs.append(np.log([max(told[value], 1e-9) for value in values]))
            truth.append(values.index(prompt.own[slot]))
    return np.array(logs), np.array(truth)


def _persons(
    logs: np.ndarray, truth: np.ndarray, counts: Sequence[int], persons: int, rng: np.random.Generator
) -> np.ndarray:
    """(success, the prior's) after each count of prompts, (counts, 2)."""
    share = np.bincount(truth, minlength=logs.shape[1]) / len(truth)
    pools = [np.flatnonzero(truth == value) for value in range(logs.shape[1])]
    found = np.zeros((len(counts), 2))
    found[:, 1] = share.max()
    for _ in range(persons):
        value = rng.choice(len(share), p=share)
        drawn = rng.choice(pools[value], min(max(counts), len(pools[value])), replace=False)
        for place, count in enumerate(counts):
            total = np.log(np.maximum(share, 1e-12)) + logs[drawn[:count]].sum(axis=0)
            found[place, 0] += total.argmax() == value
    found[:, 0] /= persons
    return found
