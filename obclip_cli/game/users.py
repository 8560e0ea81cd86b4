"""The users of the game: each is one combination of values, and types templates in words of its own."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

import yaml

from obclip_cli.errors import UserError, nearest
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy, Values

PRONOUNS = {"male": {"their": "his", "them": "him"}, "female": {"their": "her", "them": "her"}}
WITHOUT_GENDER = {"their": "their", "them": "them"}
MANY = 1024


@dataclass(frozen=True)
class Typed:
    """A prompt as a user typed it, and its candidates. The truth."""

    prompt: str
    candidates: CandidateSet


@dataclass(frozen=True)
class User:
    """One client: what it asks now, and what it asked before.

    Attributes:
        now: the request that is guessed.
        before: its earlier prompts.
        number: its place among the users, from which its secrets are drawn.
    """

    now: Typed
    before: tuple[Typed, ...]
    number: int


class Users:
    """Every combination of values types every template once, so that p* is uniform on P.

    Args:
        repeats: how often a user has typed the same prompt before.
        others: how many other prompts it has typed about the same values.
        templates: how many templates of the file are used; all of them by default.
        rounds: how many users there are of each combination and template, each with wordings of its own.

    Raises:
        UserError: there are no prompts for this taxonomy, or the rules do not read one as it was meant.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        *,
        seed: int,
        repeats: int,
        others: int,
        templates: int | None = None,
        rounds: int = 1,
    ) -> None:
        self.taxonomy, self.seed, self.rounds = taxonomy, seed, rounds
        self.repeats, self.others = repeats, others
        prompts = _read().get(taxonomy.name)
        if prompts is None:
            raise UserError(f"the game has no prompts for taxonomy {taxonomy.name}; {nearest(taxonomy.name, _read())}")
        self.wordings: dict[str, dict[str, list[str]]] = prompts["wordings"]
        self.all_templates: list[str] = prompts["templates"]
        self.templates = self.all_templates[:templates]
        self._typed: dict[tuple[str, Values, int], Typed] = {}

    def __iter__(self) -> Iterator[User]:
        combinations = list(itertools.product(*self.wordings.values()))
        players = itertools.product(range(self.rounds), self.templates, combinations)
        for number, (turn, template, values) in enumerate(players):
            now = self.typed(template, values, turn)
            others = [other for other in self.all_templates if other != template]
            chosen = random.Random(f"{self.seed} {number}").sample(others, min(self.others, len(others)))
            before = (now,) * self.repeats + tuple(self.typed(other, values, turn) for other in chosen)
            yield User(now, before, number)

    def typed(self, template: str, values: Values, turn: int = 0) -> Typed:
        """A template in one user's words; the same words each time."""
        if (template, values, turn) not in self._typed:
            self._typed[template, values, turn] = self._type(template, values, turn)
        return self._typed[template, values, turn]

    def _type(self, template: str, values: Values, turn: int) -> Typed:
        chance = random.Random(f"{self.seed} {template} {values}{f' {turn}' if turn else ''}")
        named = dict(zip(self.wordings, values, strict=True))
        words = {attribute: chance.choice(self.wordings[attribute][value]) for attribute, value in named.items()}
        prompt = Template(template).substitute(words | PRONOUNS.get(named.get("gender", ""), WITHOUT_GENDER))
        candidates = build_candidates(prompt, self.taxonomy, max_candidates=MANY)
        if {attribute: value for (_, attribute), value in candidates.slots.items()} != named:
            raise UserError(f'"{prompt}" is read as {candidates.slots}, not as {named}')
        return Typed(prompt, candidates)


@cache
def _read() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text())
    return data
