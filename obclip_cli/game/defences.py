"""What helps against a published image, and what it costs: more steps on the device, and noise of its own."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
import torch

from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.published_image import PublishedImage, write_image
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.config import Config
from obclip_cli.device.client import Query
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.game.natural_text import CALLED, told
from obclip_cli.game.published import Publisher
from obclip_cli.game.run import users_for
from obclip_cli.game.scoring import success
from obclip_cli.game.users import User
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.metrics.intervals import of_mean
from obclip_cli.metrics.per_image import attribute_hits, clip_scores
from obclip_cli.pipeline import load_pipelines
from obclip_cli.prompts.decoys import candidate_values
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.protocol import CloudRequest

BATCH = 32


def attack_published(
    config: Config,
    images: int,
    defences: Sequence[Mapping[str, int]],
    rng: np.random.Generator,
    advance: Callable[[int], None],
) -> pd.DataFrame:
    """Nearest of the server's own N finished images, by what the device does: one row a defence.

    `prior` is 1/N; `attributes_right` the share of the user's values that the judge sees in the image, and `clip` the
    CLIP score with the user's prompt.

    Args:
        images: how many users publish one.
        defences: `k` and `back` of `Publisher.images`.
    """
    players = users_for(config, repeats=0, others=0)
    rounds = -(-images // sum(1 for _ in players))
    users = list(users_for(config, repeats=0, others=0, rounds=rounds))[:images]
    queries = [Query(user.now.prompt, user.now.candidates, config.seed) for user in users]
    publisher = Publisher(config.pair, config.hybrid, *load_pipelines(config.pair))
    attack, judge = PublishedImage(Knowledge(players.taxonomy, config.pair)), load_extractor(config)
    rows = []
    for defence in defences:
        made = torch.cat([_made(publisher, queries, start, defence) for start in range(0, len(queries), BATCH)])
        hits = []
        for user, image in zip(users, made, strict=True):
            guess = attack.guess(_transcript(config, user, players.taxonomy, write_image(image)))
            assert guess is not None
            hits.append((success(guess, user.now.candidates.index), 1 / len(guess)))
        scores = np.array(hits)
        beyond = scores[:, 0] - scores[:, 1]
        called = CALLED * float(np.std(beyond, ddof=1)) / len(beyond) ** 0.5
        row: dict[str, Any] = {"setting": _in_words(config, defence), "attack": "published-image"}
        row |= {"prompts": len(hits), "prior": scores[:, 1].mean(), "success": scores[:, 0].mean()}
        rows.append(row | told(of_mean(beyond, rng), called) | _quality(judge, made, users))
        advance(1)
    return pd.DataFrame(rows).assign(question="published image")


def _made(publisher: Publisher, queries: Sequence[Query], start: int, defence: Mapping[str, int]) -> torch.Tensor:
    part = queries[start : start + BATCH]
    return publisher.images(part, **defence, secrets=range(10_000 + start, 10_000 + start + len(part)))


def _transcript(config: Config, user: User, taxonomy: Taxonomy, published: bytes) -> Transcript:
    """What the server has of a user who sent all candidates and published the image."""
    own, steps = user.now.candidates, config.hybrid.steps
    message = CloudRequest(own.prompts, steps, 0, config.hybrid.switch_point, 1.0, config.seed).to_bytes()
    attributes = tuple(attribute for _, attribute in own.slots)
    return Transcript(own.prompts, attributes, candidate_values(own.slots, taxonomy), Exchange(message), (), published)


def _in_words(config: Config, defence: Mapping[str, int]) -> str:
    k, back = defence["k"], defence.get("back", 0)
    if not k:
        return "device alone"
    noise = f", fresh noise {back} steps back" if back else ""
    return f"k = {k} of {config.hybrid.steps}{noise}"


def _quality(judge: FeatureExtractor, images: torch.Tensor, users: Sequence[User]) -> dict[str, float]:
    features = judge.extract((images * 255).round().to(torch.uint8))
    told_values = [{name: value for (_, name), value in user.now.candidates.slots.items()} for user in users]
    known = [name for name in judge.labels if any(name in values for values in told_values)]
    shares = [
        np.nanmean(
            attribute_hits(features.attribute_logits[n], [v.get(n) for v in told_values], judge.labels[n], top=1)
        )
        for n in known
    ]
    clip = clip_scores(features.embeddings, judge.text([user.now.prompt for user in users])).mean()
    return {"attributes_right": float(mean(shares)) if shares else float("nan"), "clip": float(clip)}
