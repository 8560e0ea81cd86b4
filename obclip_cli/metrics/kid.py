"""Kernel distance between feature distributions (Binkowski et al. 2018), by torchmetrics' polynomial kernel."""

import numpy as np
import torch
from torchmetrics.image.kid import poly_mmd

from obclip_cli.metrics.intervals import Estimate, of_spread

SUBSETS = 100
LARGEST_SUBSET = 1000


def kid(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> float:
    """KID of two feature sets (n, d) and (m, d): unbiased squared MMD, the mean over subsets of equal size.

    torchmetrics' own class draws its subsets from the global generator; here they come from `rng`.
    Source: torchmetrics.image.kid.poly_mmd (degree 3, gamma 1/d, coefficient 1).
    """
    size = min(LARGEST_SUBSET, len(real), len(generated))
    return float(subset_kids(real, generated, size, rng).mean())


def kid_estimate(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> Estimate:
    """KID with its interval by subsampling (Politis and Romano 1994).

    Subsets of b out of n images without replacement spread sqrt((n - b) / b) times as much as the score itself.
    """
    value = kid(real, generated, rng)
    fewer = min(len(real), len(generated))
    if fewer < 4:
        return Estimate(value, np.nan, np.nan)
    size = min(LARGEST_SUBSET, fewer // 2)
    spread = subset_kids(real, generated, size, rng).std(ddof=1) * np.sqrt(size / (fewer - size))
    return of_spread(value, float(spread))


def subset_kids(real: torch.Tensor, generated: torch.Tensor, size: int, rng: np.random.Generator) -> np.ndarray:
    """KIDs of SUBSETS random subsets of `size` images of either side; one if they are the whole."""
    real, generated = real.double(), generated.double()
    repeats = 1 if size == len(real) == len(generated) else SUBSETS
    found = []
    for _ in range(repeats):
        ours, theirs = (rng.choice(len(side), size, replace=False) for side in (generated, real))
        found.append(float(poly_mmd(real[theirs], generated[ours])))
    return np.array(found)
