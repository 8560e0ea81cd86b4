"""Frechet distance between feature distributions (Heusel et al. 2017), by torchmetrics."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from obclip_cli.metrics.intervals import Estimate, of_spread

# One resample of Inception's 2048 features takes seconds; a standard deviation of 50 is known to a tenth.
RESAMPLES, RESAMPLES_OF_WIDE, WIDE = 200, 50, 1024


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


def fid_estimate(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> Estimate:
    """FID with its interval over generated images at this number of images; the reference set is taken as given."""
    draws = resampled_fids(real, generated, rng)
    found = of_spread(fid(real, generated), float(draws.std(ddof=1)), least=0.0)
    return replace(found, draws=tuple(float(f"{draw:.5g}") for draw in draws))


def resampled_fids(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """FIDs of bootstrap resamples of the generated features.

    Heusel et al., Eq. 6, with the trace of the root of a symmetric product, which torchmetrics' own (general
    eigenvalues) is too slow for; a test holds both against each other.
    """
    real, generated = real.double(), generated.double()
    count, width = generated.shape
    mean, covariance = real.mean(0), torch.cov(real.T)
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    found = []
    for _ in range(RESAMPLES if width < WIDE else RESAMPLES_OF_WIDE):
        weights = torch.from_numpy(rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64))
        own_mean = weights @ generated / count
        centred = generated - own_mean
        own_covariance = (centred * weights[:, None]).T @ centred / (count - 1)
        overlap = torch.linalg.eigvalsh(root @ own_covariance @ root).clamp(min=0).sqrt().sum()
        found.append(((mean - own_mean) ** 2).sum() + covariance.trace() + own_covariance.trace() - 2 * overlap)
    return torch.stack(found).numpy()
