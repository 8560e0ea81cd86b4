"""Metrics that give every image a value: CLIP score, SSIM to the cloud's image, attribute accuracy."""

from collections.abc import Sequence

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from obclip_cli.diffusion.models import default_device


def clip_scores(image_features: torch.Tensor, text_features: torch.Tensor) -> torch.Tensor:
    """Cosine (n,) of each pair of unit features (n, d) and (n, d); not times 100. The CLIP score is their mean.

    Source: Hessel et al. 2021, as the paper reports it.
    """
    return (image_features * text_features).sum(1)


def ssims(images: torch.Tensor, cloud_only: torch.Tensor | None) -> torch.Tensor:
    """Structural similarity (n,) of uint8 images (n, 3, H, W) to the cloud's of the same noise; 1 where they are equal.

    nan where there are none to compare with.
    Source: torchmetrics.functional.image.structural_similarity_index_measure (Wang et al. 2004).
    """
    if cloud_only is None:
        return torch.full((len(images),), torch.nan)
    # Variances are differences of large numbers: float32 would make 0.9999 of equal images.
    ours, theirs = (batch.to(default_device(), torch.float64) for batch in (images, cloud_only))
    found = structural_similarity_index_measure(ours, theirs, reduction="none", data_range=255.0)
    assert isinstance(found, torch.Tensor)
    return found.reshape(-1).cpu()


def attribute_hits(logits: torch.Tensor, wanted: Sequence[str | None], classes: list[str], *, top: int) -> np.ndarray:
    """1 where the wanted value is among the `top` classes, 0 where not, nan where none is wanted or known; (n,).

    Args:
        logits: (n, classes).
        wanted: the value each prompt asked for, None where it asked for none.
    """
    best = logits.topk(min(top, len(classes)), dim=1).indices.tolist()
    return np.array(
        [
            float(classes.index(value) in places) if value in classes else np.nan
            for value, places in zip(wanted, best, strict=True)
        ]
    )
