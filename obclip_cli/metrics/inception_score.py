"""Inception score (Salimans et al. 2016) on a classifier's logits, by torchmetrics."""

import torch
from torch import nn
from torchmetrics.image.inception import InceptionScore


def inception_score(logits: torch.Tensor, splits: int = 1) -> float:
    """exp of the mean KL divergence of class predictions (n, classes) from their mean.

    Source: torchmetrics.image.inception.InceptionScore.
    """
    metric = InceptionScore(feature=nn.Identity(), splits=splits)
    metric.update(logits)
    return float(metric.compute()[0])
