"""What hiding costs the user: images whose attributes are right, where the prompt's own candidate may be missing."""

import hashlib
import random
from collections.abc import Sequence
from statistics import mean

import numpy as np
import pandas as pd

from obclip_cli.config import Config, PrivacyConfig, taxonomy_path
from obclip_cli.data import Sample, load_dataset
from obclip_cli.device.choice import Choice, Chooser
from obclip_cli.errors import UserError
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import generate_images, load_pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.features import Features
from obclip_cli.metrics.per_image import attribute_hits
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.progress import ProgressBar

MANY = 1024
BATCH = 64


def utility_of_draws(config: Config, lambdas: Sequence[float], progress: ProgressBar) -> pd.DataFrame:
    """Share of right attributes by λ under `dp`; λ = 0 is every candidate sent, which all other strategies equal.

    Their candidate of the prompt is always there, and its latent does not depend on the others', so only `dp`, which
    may lack it, changes an image.
    """
    samples, sets = _samples(config, max(lambdas))
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    chosen: dict[float, list[Choice | None]] = {0.0: [None] * len(samples)}
    for lambda_ in lambdas:
        privacy = PrivacyConfig("dp", lambda_, MANY)
        chosen[lambda_] = [
            Chooser(taxonomy, privacy, _key(config.seed, place), random.Random(0)).choose(candidates)
            for place, candidates in enumerate(sets)
        ]
    return _measure(config, samples, sets, chosen, progress)


def _samples(config: Config, largest: float) -> tuple[list[Sample], list[CandidateSet]]:
    """The dataset's prompts whose N allows every λ, with all their candidates."""
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    everything = PrivacyConfig("all", max_candidates=MANY)
    hidden = hide_all(load_dataset(config.dataset).samples(config.seed), everything, taxonomy)
    pairs = zip(hidden.samples, hidden.sets, strict=True)
    kept = [(sample, found) for sample, found in pairs if largest <= 1 - 1 / len(found.prompts)]
    if not kept:
        raise UserError(f"no prompt of {config.dataset['name']} has candidates enough for lambda={largest}")
    return [sample for sample, _ in kept], [found for _, found in kept]


def _key(seed: int, place: int) -> bytes:
    return hashlib.sha256(f"{seed} {place}".encode()).digest()


def _measure(
    config: Config,
    samples: list[Sample],
    sets: list[CandidateSet],
    chosen: dict[float, list[Choice | None]],
    progress: ProgressBar,
) -> pd.DataFrame:
    """Generate once for λ = 0, again only what a missing candidate changes, and score each λ."""
    pair, judge = load_pair(config), load_extractor(config)
    asked = [name for name in _sensitive(config) if name in judge.labels and any(name in s.labels for s in samples)]
    method = Method("hidden", "server_first", config.hybrid.switch_point, hidden=True)
    changed = {
        lambda_: [i for i, choice in enumerate(choices) if choice is not None and not choice.keeps_own]
        for lambda_, choices in chosen.items()
    }
    prompts = [*samples, *(samples[i] for places in changed.values() for i in places)]
    words = [*sets, *(_sent(chosen[lambda_][i]) for lambda_, places in changed.items() for i in places)]
    images = generate_images(pair, prompts, [method], words, progress)["hidden"]
    features = Features.together([judge.extract(part) for part in images.split(BATCH)])
    rows, start = [], len(samples)
    for lambda_, places in changed.items():
        row_of = list(range(len(samples)))
        for offset, place in enumerate(places):
            row_of[place] = start + offset
        start += len(places)
        shares = [
            np.nanmean(
                attribute_hits(
                    features.attribute_logits[head][row_of],
                    [s.labels.get(head) for s in samples],
                    judge.labels[head],
                    top=1,
                )
            )
            for head in asked
        ]
        rows.append({"lambda": lambda_, "images": len(samples), "replaced": len(places), "right": mean(shares)})
    return pd.DataFrame(rows)


def _sensitive(config: Config) -> list[str]:
    return list(load_taxonomy(taxonomy_path(config.pair.taxonomy)).attributes)


def _sent(choice: Choice | None) -> CandidateSet:
    assert choice is not None
    return choice.sent
