"""FID extrapolated to infinitely many images (Chong and Forsyth 2020), for runs of different sizes.

The FID of finite sets is too large by about c / n. Where references are samples, too, both sides are halved together,
so that the line through the whole and its halves meets 1 / n = 0 at 2 FID(n) - FID(n / 2).
"""

from dataclasses import replace

import numpy as np
import torch

from obclip_cli.metrics.fid import WeightedFid, resamples, rounded
from obclip_cli.metrics.intervals import UNKNOWN, Estimate, of_spread


def fid_infinity_estimate(real: torch.Tensor, generated: torch.Tensor, rng: np.random.Generator) -> Estimate:
    """FID of infinitely many images of either side, with its interval over generated images.

    Unknown where a half has no more images than features have dimensions: without full rank the bias of covariances
    does not fall like 1 / n. It may lie below 0 where the sets are of one distribution. The halves are the same for
    every method that has as many images and the same generator, so that draws can be subtracted.

    Args:
        real: reference features (m, d).
        generated: (n, d).

    Source: Chong and Forsyth 2020 (arXiv 1911.07023), Section 3, whose line has more points than our two.
    """
    if min(len(real), len(generated)) // 2 <= real.shape[1]:
        return UNKNOWN
    sides = rng.permutation(len(real)), rng.permutation(len(generated))
    halves = [tuple(torch.from_numpy(side[part::2]) for side in sides) for part in (0, 1)]
    whole = WeightedFid(real, generated)
    parts = [(own, WeightedFid(real[theirs], generated[own])) for theirs, own in halves]

    def extrapolated(weights: torch.Tensor) -> float:
        return 2 * whole(weights) - float(np.mean([part(weights[own]) for own, part in parts]))

    draws = np.array([extrapolated(weights) for weights in resamples(generated, rng)])
    value = extrapolated(torch.ones(len(generated), dtype=torch.float64))
    return replace(of_spread(value, float(draws.std(ddof=1))), draws=rounded(draws))
