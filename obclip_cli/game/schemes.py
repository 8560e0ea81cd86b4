"""The schemes under attack: what each client sends, and how it takes the answer."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from diffusers import DiffusionPipeline

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.client import Query
from obclip_cli.game import controls
from obclip_cli.game.wire import Ask, as_it_is, hangs_up

WORD_EPSILON = 14.0


@dataclass(frozen=True)
class Scheme:
    """One way of hiding a prompt.

    Attributes:
        privacy: the client's strategy.
        on_cloud: share of the steps that the cloud runs where it is not the configured one.
        change: what is made of the client's query before it is sent.
        ask: how it sends a request and takes the answer.
        answered: whether its requests are answered and its images published; controls that differ from `all` in words
            alone need neither.
        strength: of a picture that is sent with the request, noised so far; None: no picture is sent.
        caught_by: for a leak that was planted, the attack that must see it.
    """

    privacy: PrivacyConfig
    on_cloud: float | None = None
    change: Callable[[Query, random.Random], Query] = lambda query, _: query
    ask: Ask = as_it_is
    answered: bool = True
    strength: float | None = None
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
        "generalise": Scheme(privacy("generalise")),
        "word-dp": Scheme(privacy("none"), change=controls.WordPerturbation(pipeline, WORD_EPSILON)),
        "all": Scheme(hidden),
        "bucket": Scheme(privacy("bucket", lambda_)),
        "dp": Scheme(privacy("dp", lambda_)),
        "fresh": Scheme(privacy("fresh", lambda_), caught_by="intersection-repeated"),
        # Caught by noised-latent where a picture shows who is in it: not on the random models of the tests.
        "noised-image": Scheme(hidden, answered=False, strength=0.36),
        "own-first": Scheme(hidden, change=controls.own_first, answered=False, caught_by="position"),
        "own-spelling": Scheme(hidden, change=controls.own_spelling, answered=False, caught_by="surface"),
        "own-pronouns": Scheme(hidden, change=controls.own_pronouns, answered=False, caught_by="context"),
        "hangs-up": Scheme(hidden, ask=hangs_up, caught_by="timing"),
    }
