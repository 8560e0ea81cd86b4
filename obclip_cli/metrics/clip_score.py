"""CLIP score (Hessel et al. 2021) as the paper reports it: the cosine of image and prompt."""

import torch


def clip_scores(image_features: torch.Tensor, text_features: torch.Tensor) -> torch.Tensor:
    """Cosine (n,) of each pair of unit features (n, d) and (n, d); not times 100. The CLIP score is their mean."""
    return (image_features * text_features).sum(1)
