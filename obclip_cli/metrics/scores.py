"""All scores of one method's images: what is seen in each image, and what that makes over all of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from obclip_cli.data import Sample
from obclip_cli.metrics.attribute_accuracy import attribute_hits
from obclip_cli.metrics.clip_score import clip_scores
from obclip_cli.metrics.examiner import Examiner, Sight
from obclip_cli.metrics.fid import fid_estimate
from obclip_cli.metrics.inception_score import inception_score_estimate
from obclip_cli.metrics.intervals import UNKNOWN, Estimate, of_mean, of_share
from obclip_cli.metrics.kid import kid_estimate
from obclip_cli.metrics.ssim import ssims

BATCH = 64
# Roles that emoji draw alike (cook, chef) are told apart by style only, so the judge's three best count.
TOP = {"role": 3}
# Every score draws its resamples from a generator of its own, so that a score does not depend on which others are made.
FID, KID, INCEPTION, MEANS = range(4)


@dataclass(frozen=True)
class Examined:
    """What was seen in n images.

    Attributes:
        each: score -> its value for each image, (n,), nan where it is not known.
        sight: what distances between distributions are made of.
    """

    sight: Sight
    each: dict[str, np.ndarray]


def examine(
    examiner: Examiner, batches: Iterable[torch.Tensor], samples: Sequence[Sample], cloud_only: Iterator[torch.Tensor]
) -> Examined:
    """Look at images batch by batch.

    Args:
        batches: uint8 images (n, 3, H, W), in the order of the samples.
        cloud_only: the cloud's own images of the same noise in the same batches; empty where there are none.
    """
    sights, nearness = [], []
    for images in batches:
        sights.append(examiner.see(images))
        compared = next(cloud_only, None)
        nearness.append(torch.full((len(images),), torch.nan) if compared is None else ssims(images, compared))
    sight = Sight.together(sights)
    texts = torch.cat([examiner.text(part) for part in _chunks([sample.prompt for sample in samples])])
    each = {"clip": clip_scores(sight.embeddings, texts).double().numpy(), "ssim": torch.cat(nearness).double().numpy()}
    for attribute, values in examiner.labels.items():
        wanted = [sample.labels.get(attribute) for sample in samples]
        top = TOP.get(attribute, 1)
        each[_column(attribute)] = attribute_hits(sight.attribute_logits[attribute], wanted, values, top=top)
    return Examined(sight, each)


def estimates(examined: Examined, reference: torch.Tensor, examiner: Examiner, seed: int = 0) -> dict[str, Estimate]:
    """Every score with its interval.

    Args:
        reference: features of the reference images, (m, d); m = 0 where a dataset has none.
    """
    sight = examined.sight
    fid = kid = inception = UNKNOWN
    if len(reference):
        fid = fid_estimate(reference, sight.features, np.random.default_rng([seed, FID]))
        kid = kid_estimate(reference, sight.features, np.random.default_rng([seed, KID]))
    if sight.class_logits.shape[1]:
        inception = inception_score_estimate(sight.class_logits, np.random.default_rng([seed, INCEPTION]))
    found = {"fid": fid, "kid": kid, "is": inception}
    for name in ("clip", "ssim"):
        found[name] = of_mean(examined.each[name], np.random.default_rng([seed, MEANS]))
    return found | {_column(a): of_share(examined.each[_column(a)]) for a in examiner.labels}


def _column(attribute: str) -> str:
    """The name of an attribute's score."""
    return f"{attribute}_top{TOP[attribute]}" if attribute in TOP else attribute


def _chunks(prompts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(prompts), BATCH):
        yield prompts[start : start + BATCH]
