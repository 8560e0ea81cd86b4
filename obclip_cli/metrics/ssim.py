"""How near an image is to the one that the cloud alone makes of the same noise."""

import torch
from torchmetrics.functional.image import structural_similarity_index_measure


def ssims(images: torch.Tensor, cloud_only: torch.Tensor) -> torch.Tensor:
    """Structural similarity (n,) of uint8 images (n, 3, H, W) and (n, 3, H, W); 1 where they are equal.

    Source: torchmetrics.functional.image.structural_similarity_index_measure (Wang et al. 2004).
    """
    found = structural_similarity_index_measure(images.float(), cloud_only.float(), reduction="none", data_range=255.0)
    assert isinstance(found, torch.Tensor)
    return found.reshape(-1)
