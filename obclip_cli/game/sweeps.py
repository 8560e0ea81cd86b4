"""Success over λ and over the number of requests: text only, no model answers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from obclip_cli.attacks.intersection import IntersectionDifferent, IntersectionRepeated
from obclip_cli.attacks.transcript import read_transcripts
from obclip_cli.game.run import Arena, schemes_of
from obclip_cli.game.scoring import NOT_PROMISED, score_run
from obclip_cli.game.users import Users

WITH_LAMBDA = ("bucket", "dp", "fresh")
MANY_TIMES = ("all", "bucket", "dp", "fresh", "replacement")
ATTACKS = ("prior", "intersection-repeated", "intersection-different")


def lambda_sweep(arena: Arena, lambdas: Sequence[float], folder: Path, advance: Callable[[int], None]) -> pd.DataFrame:
    """One row a strategy and λ: what the cloud computes, what was promised, and each attack's success."""
    rows = [_at(arena, "all", 0.0, folder)]
    for lambda_ in lambdas:
        for strategy in WITH_LAMBDA:
            rows.append(_at(arena, strategy, lambda_, folder))
            advance(1)
    return pd.DataFrame(rows)


def _at(arena: Arena, strategy: str, lambda_: float, folder: Path) -> dict[str, Any]:
    scheme = schemes_of(arena, [strategy], lambda_)[strategy]
    recorded = arena.play(strategy, scheme, folder / f"{lambda_}")
    transcripts = read_transcripts(recorded)
    scores = arena.attack(recorded, ATTACKS, lambda _: None)
    best = scores.sort_values("success").iloc[-1]
    places = pd.read_csv(recorded / "truth.csv")["place"]
    sent = [arena.knowledge.places(transcript, transcript.seen) for transcript in transcripts]
    return {
        "strategy": strategy,
        "lambda": lambda_,
        "n": transcripts[0].n,
        "cost_share": mean(len(t.seen.prompts) / t.n for t in transcripts),
        "own_is_sent": mean(place in among for place, among in zip(places, sent, strict=True)),
        "bound": 1 / transcripts[0].n + lambda_,
        "promised": best["bound"],
        **dict(zip(scores["attack"].str.replace("-", "_"), scores["success"], strict=True)),
        "best": best["success"],
        "best_low": best["low"],
        "best_high": best["high"],
    }


def query_sweep(arena: Arena, lambda_: float, most: int, folder: Path, advance: Callable[[int], None]) -> pd.DataFrame:
    """Success of both intersection attacks after 1 to `most` requests of one client, one row each.

    Without `bound` where several requests are promised none.
    """
    users = arena.game.users
    longer = Users(users.taxonomy, seed=users.seed, repeats=most - 1, others=most - 1, templates=len(users.templates))
    game = replace(arena.game, users=longer, answered=0, published=0)
    repeated, different = IntersectionRepeated(arena.knowledge), IntersectionDifferent(arena.knowledge)
    rows: list[pd.DataFrame] = []
    for name, scheme in schemes_of(arena, MANY_TIMES, lambda_).items():
        game.play(scheme, folder / name)
        transcripts = read_transcripts(folder / name)
        for queries in range(1, most + 1):
            same = [replace(t, past=t.past[: queries - 1]) for t in transcripts]
            other = [replace(t, past=t.past[most - 1 : most + queries - 2]) for t in transcripts]
            for prompts, past, attack in (("the same", same, repeated), ("different", other, different)):
                scored = score_run(folder / name, past, {"intersection": attack})
                rows.append(scored.assign(strategy=name, prompts=prompts, queries=queries))
        advance(1)
    table = pd.concat(rows, ignore_index=True)
    adds_up = {"the same": ["fresh"], "different": ["fresh", "dp"]}  # each request is a new draw: no bound on several
    for prompts, strategies in adds_up.items():
        several = (table["prompts"] == prompts) & table["strategy"].isin(strategies) & (table["queries"] > 1)
        table.loc[several, ["bound", "verdict"]] = math.nan, NOT_PROMISED
    return table[["strategy", "prompts", "queries", "success", "low", "high", "bound", "verdict"]]
