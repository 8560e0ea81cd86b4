"""Frechet distance between feature distributions (Heusel et al. 2017), by torchmetrics."""

import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance


class _Features(nn.Module):
    """Hands ready features through torchmetrics, which wants a network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def fid(real: torch.Tensor, generated: torch.Tensor) -> float:
    """FID of two feature sets (n, d) and (m, d), in the features' own squared unit.

    Source: torchmetrics.image.fid.FrechetInceptionDistance.
    """
    metric = FrechetInceptionDistance(feature=_Features(real.shape[1]), normalize=False)
    metric.set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    metric.update(generated.double(), real=False)
    return float(metric.compute())
