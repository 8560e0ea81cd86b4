"""How near an image is to the one that the cloud alone makes of the same noise."""

import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from obclip_cli.diffusion.models import default_device


def ssims(images: torch.Tensor, cloud_only: torch.Tensor) -> torch.Tensor:
    """Structural similarity (n,) of uint8 images (n, 3, H, W) and (n, 3, H, W); 1 where they are equal.

    Source: torchmetrics.functional.image.structural_similarity_index_measure (Wang et al. 2004).
    """
    # Variances are differences of large numbers: float32 would make 0.9999 of equal images.
    ours, theirs = (batch.to(default_device(), torch.float64) for batch in (images, cloud_only))
    found = structural_similarity_index_measure(ours, theirs, reduction="none", data_range=255.0)
    assert isinstance(found, torch.Tensor)
    return found.reshape(-1).cpu()
