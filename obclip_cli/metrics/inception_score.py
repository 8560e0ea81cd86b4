"""Inception score (Salimans et al. 2016) on a classifier's logits, by torchmetrics."""

import warnings

import numpy as np
import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore

from obclip_cli.metrics.intervals import Estimate, of_spread

RESAMPLES = 200
# Papers report the mean over ten parts, which lowers the score where a part is small.
PARTS, ENOUGH_FOR_PARTS = 10, 10_000


def inception_score(logits: torch.Tensor) -> float:
    """exp of the mean KL divergence of class predictions (n, classes) from their mean.

    From 10,000 images on, the mean over ten parts in order, as torch-fidelity and the papers report it.
    Source: torchmetrics.image.inception.InceptionScore.
    """
    return float(np.mean([_of_part(part) for part in logits.chunk(_parts(len(logits)))]))


def inception_score_estimate(logits: torch.Tensor, rng: np.random.Generator) -> Estimate:
    """The score with its interval over images."""
    return of_spread(inception_score(logits), float(resampled_scores(logits, rng).std(ddof=1)), least=1.0)


def resampled_scores(logits: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Scores of bootstrap resamples, in one part: exp(H(mean prediction) - mean H(prediction))."""
    chances = logits.double().softmax(1)
    entropies = -(chances * chances.clamp(min=1e-300).log()).sum(1)
    count = len(logits)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float64)
    weights = torch.from_numpy(draws) / count
    mean = weights @ chances
    divergence = -(mean * mean.clamp(min=1e-300).log()).sum(1) - weights @ entropies
    return divergence.exp().numpy()


def _parts(count: int) -> int:
    return PARTS if count >= ENOUGH_FOR_PARTS else 1


def _of_part(logits: torch.Tensor) -> float:
    with warnings.catch_warnings():  # of its memory, and of the standard deviation of a single part
        warnings.simplefilter("ignore", UserWarning)
        metric = InceptionScore(feature=nn.Identity(), splits=1)
        metric.update(logits.double())  # torchmetrics shuffles the images: the order of sums must not show
        return float(metric.compute()[0])
