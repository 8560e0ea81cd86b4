"""The table of metrics, and all scores of one method's images by it.

A new metric is a file with its function and a line in `METRICS`; evaluation, sweeps and plots read the table.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from obclip_cli.data import Sample
from obclip_cli.metrics.features import FeatureExtractor, Features
from obclip_cli.metrics.fid import fid_estimate
from obclip_cli.metrics.fid_infinity import fid_infinity_estimate
from obclip_cli.metrics.inception_score import inception_score_estimate
from obclip_cli.metrics.intervals import UNKNOWN, Estimate, of_mean, of_share
from obclip_cli.metrics.judge_distance import judge_distances
from obclip_cli.metrics.kid import kid_estimate
from obclip_cli.metrics.per_image import attribute_hits, clip_scores, ssims

BATCH = 64
# Roles that emoji draw alike (cook, chef) are told apart by style only, so the judge's three best count.
TOP = {"role": 3}
# What distances between distributions are measured to: the dataset's references, or what the cloud alone makes of the
# same prompts from other noise.
REFERENCES, CLOUD = "references", "cloud"


@dataclass(frozen=True)
class Batch:
    """What a metric of single images is computed from.

    Attributes:
        images: uint8 (n, 3, H, W).
        samples: their prompts.
        features, texts: of the images, and embeddings (n, e) of the prompts.
        cloud_only: the cloud's own images of the same noise, where there are any.
        near: their embeddings (n, e).
    """

    images: torch.Tensor
    samples: Sequence[Sample]
    features: Features
    texts: torch.Tensor
    cloud_only: torch.Tensor | None
    near: torch.Tensor | None = None


@dataclass(frozen=True)
class ImageMetric:
    """A metric that gives every image a value; the score is their mean.

    Attributes:
        name: its column in tables.
        label: its name in plots; the arrow says which way is better.
        values: of each image, (n,), nan where it is not known.
        interval: from all values to the score with its interval.
        plotted: whether the plots of `obclip eval` and `obclip sweep` have a panel for it.
    """

    name: str
    label: str
    values: Callable[[Batch], torch.Tensor | np.ndarray]
    interval: Callable[[np.ndarray, np.random.Generator], Estimate] = of_mean
    plotted: bool = True


@dataclass(frozen=True)
class SetMetric:
    """A metric of all images together.

    Attributes:
        estimate: also gets pooled features (m, d) of the images that they are held against, m = 0 for none.
        against: whose those are.
    """

    name: str
    label: str
    estimate: Callable[[Features, torch.Tensor, np.random.Generator], Estimate]
    plotted: bool = True
    against: str = REFERENCES


def _distance(estimate: Callable[[torch.Tensor, torch.Tensor, np.random.Generator], Estimate]) -> Callable:
    """A distance between the reference features and the generated images', as an estimate of the table."""
    return lambda features, reference, rng: estimate(reference, features.pooled, rng) if len(reference) else UNKNOWN


def _inception(features: Features, _: torch.Tensor, rng: np.random.Generator) -> Estimate:
    logits = features.class_logits
    return inception_score_estimate(logits, rng) if logits.shape[1] else UNKNOWN


METRICS: tuple[SetMetric | ImageMetric, ...] = (
    SetMetric("fid", "FID ↓", _distance(fid_estimate)),
    SetMetric("kid", "KID ↓", _distance(kid_estimate), plotted=False),
    SetMetric("is", "IS ↑", _inception, plotted=False),
    ImageMetric("clip", "CLIP score ↑", lambda batch: clip_scores(batch.features.embeddings, batch.texts)),
    ImageMetric("ssim", "SSIM to cloud-only ↑", lambda batch: ssims(batch.images, batch.cloud_only)),
    SetMetric("fid_cloud", "FID to the cloud ↓", _distance(fid_estimate), against=CLOUD),
    SetMetric("fid_cloud_inf", "FID∞ to the cloud ↓", _distance(fid_infinity_estimate), plotted=False, against=CLOUD),
    ImageMetric(
        "distance",
        "judge's distance to cloud-only ↓",
        lambda batch: judge_distances(batch.features.embeddings, batch.near),
        plotted=False,
    ),
)
# A metric draws its resamples from a generator of its own, so that its score does not depend on which others there are.
MEANS = 3


def attribute_metric(attribute: str, values: list[str]) -> ImageMetric:
    """The share of images that show the value their prompt asked for."""
    top = TOP.get(attribute, 1)
    name = f"{attribute}_top{top}" if attribute in TOP else attribute

    def hits(batch: Batch) -> np.ndarray:
        wanted = [sample.labels.get(attribute) for sample in batch.samples]
        return attribute_hits(batch.features.attribute_logits[attribute], wanted, values, top=top)

    return ImageMetric(name, f"{attribute} right ↑", hits, lambda found, _: of_share(found), attribute not in TOP)


def image_metrics(labels: dict[str, list[str]]) -> list[ImageMetric]:
    """Those of the table, then one for each attribute that the extractor tells (attribute -> values)."""
    listed = [metric for metric in METRICS if isinstance(metric, ImageMetric)]
    return [*listed, *(attribute_metric(attribute, values) for attribute, values in labels.items())]


@dataclass(frozen=True)
class Measurements:
    """Of n images: metric -> its value for each, (n,), nan where it is not known; and features of all."""

    features: Features
    each: dict[str, np.ndarray]


def measure(
    extractor: FeatureExtractor,
    batches: Iterable[torch.Tensor],
    samples: Sequence[Sample],
    cloud_only: Iterator[torch.Tensor],
) -> Measurements:
    """Measure images batch by batch.

    Args:
        batches: uint8 images (n, 3, H, W), in the order of the samples.
        cloud_only: the cloud's own images of the same noise in the same batches; empty where there are none.
    """
    prompts = [sample.prompt for sample in samples]
    texts = torch.cat([extractor.text(prompts[start : start + BATCH]) for start in range(0, len(prompts), BATCH)])
    metrics, parts, start = image_metrics(extractor.labels), [], 0
    each: dict[str, list[np.ndarray]] = {metric.name: [] for metric in metrics}
    for images in batches:
        here = slice(start, start + len(images))
        compared = next(cloud_only, None)
        near = None if compared is None else extractor.extract(compared).embeddings
        batch = Batch(images, samples[here], extractor.extract(images), texts[here], compared, near)
        parts.append(batch.features)
        for metric in metrics:
            each[metric.name].append(np.asarray(metric.values(batch), dtype=np.float64))
        start = here.stop
    return Measurements(Features.together(parts), {name: np.concatenate(values) for name, values in each.items()})


def estimates(
    measured: Measurements,
    reference: torch.Tensor,
    extractor: FeatureExtractor,
    seed: int = 0,
    cloud: torch.Tensor | None = None,
) -> dict[str, Estimate]:
    """Every score with its interval.

    Args:
        reference: features of the reference images, (m, d); m = 0 where a dataset has none.
        cloud: the same of the cloud's images from other noise.
    """
    held = {REFERENCES: reference, CLOUD: torch.empty(0, 0) if cloud is None else cloud}
    found = {
        metric.name: metric.estimate(measured.features, held[metric.against], np.random.default_rng([seed, place]))
        for place, metric in enumerate(METRICS)
        if isinstance(metric, SetMetric)
    }
    for metric in image_metrics(extractor.labels):
        found[metric.name] = metric.interval(measured.each[metric.name], np.random.default_rng([seed, MEANS]))
    return found


def panels(table: pd.DataFrame) -> dict[str, str]:
    """The metrics of a score table that plots show, each with its label: column -> label."""
    names = {metric.name for metric in METRICS}
    others = [column for column in map(str, table) if f"{column}_low" in table and column not in names]
    attributes = [attribute_metric(column.partition("_top")[0], []) for column in others]
    shown = [metric for metric in (*METRICS, *attributes) if metric.plotted and metric.name in table]
    return {metric.name: metric.label for metric in shown if table[metric.name].notna().any()}
