"""The schemes under attack: what each client sends, downloads and waits for."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from diffusers import DiffusionPipeline

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.client import Query
from obclip_cli.game import controls

WORD_EPSILON = 14.0


@dataclass(frozen=True)
class Scheme:
    """One way of hiding a prompt.

    Attributes:
        privacy: the client's strategy.
        on_cloud: share of the steps that the cloud runs where it is not the configured one.
        change: what is made of the client's query before it is sent.
        rows: which rows the client downloads.
        stay: the share of the answer's time that it stays.
        caught_by: for a leak that was planted, the attack that must see it.
    """

    privacy: PrivacyConfig
    on_cloud: float | None = None
    change: Callable[[Query, random.Random], Query] = lambda query, _: query
    rows: Callable[[Query], tuple[int, ...]] = lambda query: tuple(range(len(query.candidates.prompts)))
    stay: Callable[[Query], float] = lambda _: 1.0
    caught_by: str | None = None


def all_schemes(pipeline: DiffusionPipeline, lambda_: float, max_candidates: int) -> dict[str, Scheme]:
    """Every scheme by name; the strategies that take a λ get this one.

    Args:
        pipeline: the device's, whose word embeddings the word-level perturbation uses.
    """

    def privacy(strategy: str, lambda_: float = 0.0) -> PrivacyConfig:
        return PrivacyConfig(strategy, lambda_, max_candidates)

    hidden = privacy("all")
    return {
        "cloud-only": Scheme(privacy("none"), on_cloud=1.0),
        "hybrid-sd": Scheme(privacy("none")),
        "replacement": Scheme(privacy("replacement")),
        "word-dp": Scheme(privacy("none"), change=controls.WordPerturbation(pipeline, WORD_EPSILON)),
        "all": Scheme(hidden),
        "bucket": Scheme(privacy("bucket", lambda_)),
        "dp": Scheme(privacy("dp", lambda_)),
        "fresh": Scheme(privacy("fresh", lambda_), caught_by="intersection-repeated"),
        "own-first": Scheme(hidden, change=controls.own_first, caught_by="position"),
        "own-spelling": Scheme(hidden, change=controls.own_spelling, caught_by="surface"),
        "own-pronouns": Scheme(hidden, change=controls.own_pronouns, caught_by="context"),
        "own-download": Scheme(hidden, rows=controls.only_own_row, caught_by="traffic"),
        "own-time": Scheme(hidden, stay=controls.until_own_row, caught_by="timing"),
    }
