"""Frechet distance between feature distributions (Heusel et al. 2017), by torchmetrics."""

from collections.abc import Iterator
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
    return replace(found, draws=rounded(draws))


def resampled_fids(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """FIDs of bootstrap resamples of the generated features."""
    distance = WeightedFid(real, generated)
    return np.array([distance(weights) for weights in resamples(generated, rng)])


def resamples(generated: torch.Tensor, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """How often each generated image (n, d) stands in each bootstrap resample, (n,)."""
    count, width = generated.shape
    for _ in range(RESAMPLES if width < WIDE else RESAMPLES_OF_WIDE):
        yield torch.from_numpy(rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64))


def rounded(draws: np.ndarray) -> tuple[float, ...]:
    """Draws to five digits, as they are stored."""
    return tuple(float(f"{draw:.5g}") for draw in draws)


class WeightedFid:
    """FID of one reference set to one generated set, whose images count as often as weights say.

    Heusel et al., Eq. 6, with the trace of the root of a symmetric product, which torchmetrics' own (general
    eigenvalues) is too slow for; a test holds both against each other.

    Args:
        real: reference features (m, d).
        generated: (n, d).
    """

    def __init__(self, real: torch.Tensor, generated: torch.Tensor) -> None:
        real, self.generated = real.double(), generated.double()
        self.mean, self.covariance = real.mean(0), torch.cov(real.T)
        values, vectors = torch.linalg.eigh(self.covariance)
        self.root = vectors * values.clamp(min=0).sqrt() @ vectors.T

    def __call__(self, weights: torch.Tensor) -> float:
        """The distance with whole-numbered weights (n,)."""
        count = weights.sum()
        own_mean = weights @ self.generated / count
        centred = self.generated - own_mean
        own_covariance = (centred * weights[:, None]).T @ centred / (count - 1)
        overlap = torch.linalg.eigvalsh(self.root @ own_covariance @ self.root).clamp(min=0).sqrt().sum()
        apart = ((self.mean - own_mean) ** 2).sum()
        return float(apart + self.covariance.trace() + own_covariance.trace() - 2 * overlap)
