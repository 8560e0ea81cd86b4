"""What hiding costs the user: images whose attributes are right, where the prompt's own candidate may be missing."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from itertools import compress
from statistics import mean

import numpy as np
import pandas as pd

from obclip_cli.config import Config, PrivacyConfig, taxonomy_path
from obclip_cli.data import Sample, load_dataset
from obclip_cli.device.choice import Chooser
from obclip_cli.errors import UserError
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import generate_images, load_pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.features import Features
from obclip_cli.metrics.per_image import attribute_hits
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy
from obclip_cli.report.progress import ProgressBar

MANY = 1024
BATCH = 64


def utility_of_draws(config: Config, lambdas: Sequence[float], progress: ProgressBar) -> pd.DataFrame:
    """Share of right attributes by λ under `dp`; λ = 0 is every candidate sent, which all other strategies equal.

    Their candidate of the prompt is always there, and its latent does not depend on the others', so only `dp`, which
    may lack it, changes an image. Prompts whose N does not allow every λ are left out.

    Raises:
        UserError: no prompt has candidates enough for the largest λ.
    """
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    everything = PrivacyConfig("all", max_candidates=MANY)
    hidden = hide_all(load_dataset(config.dataset).samples(config.seed), everything, taxonomy)
    allowed = [max(lambdas) <= 1 - 1 / len(found.prompts) for found in hidden.sets]
    if not any(allowed):
        raise UserError(f"no prompt of {config.dataset['name']} has candidates enough for lambda={max(lambdas)}")
    samples, sets = list(compress(hidden.samples, allowed)), list(compress(hidden.sets, allowed))
    missing: dict[float, dict[int, CandidateSet]] = {0.0: {}}
    for lambda_ in lambdas:
        missing[lambda_] = {}
        for place, candidates in enumerate(sets):
            key = hashlib.sha256(f"{config.seed} {place}".encode()).digest()
            chooser = Chooser(taxonomy, PrivacyConfig("dp", lambda_, MANY), key, random.Random(0))
            if not (choice := chooser.choose(candidates)).keeps_own:
                missing[lambda_][place] = choice.sent
    return _measure(config, taxonomy, samples, sets, missing, progress)


def _measure(
    config: Config,
    taxonomy: Taxonomy,
    samples: list[Sample],
    sets: list[CandidateSet],
    missing: Mapping[float, Mapping[int, CandidateSet]],
    progress: ProgressBar,
) -> pd.DataFrame:
    """Generate once for λ = 0, again only where the own candidate is missing, and score each λ.

    Args:
        missing: λ -> place of a sample -> what is sent in its stead.
    """
    pair, judge = load_pair(config), load_extractor(config)
    asked = [name for name in taxonomy.attributes if name in judge.labels and any(name in s.labels for s in samples)]
    method = Method("hidden", "server_first", config.hybrid.switch_point, hidden=True)
    again = [(samples[place], sent) for places in missing.values() for place, sent in places.items()]
    prompts, words = [*samples, *(sample for sample, _ in again)], [*sets, *(sent for _, sent in again)]
    images = generate_images(pair, prompts, [method], words, progress)["hidden"]
    features = Features.together([judge.extract(part) for part in images.split(BATCH)])
    rows, start = [], len(samples)
    for lambda_, places in missing.items():
        image_of = np.arange(len(samples))
        image_of[list(places)] = range(start, start + len(places))
        start += len(places)
        shares = []
        for head in asked:
            logits, wanted = features.attribute_logits[head][image_of], [s.labels.get(head) for s in samples]
            shares.append(np.nanmean(attribute_hits(logits, wanted, judge.labels[head], top=1)))
        rows.append({"lambda": lambda_, "images": len(samples), "replaced": len(places), "right": mean(shares)})
    return pd.DataFrame(rows)
