"""CLIP score (Hessel et al. 2021) as the paper reports it: the mean cosine of image and prompt."""

import torch


def clip_score(image_features: torch.Tensor, text_features: torch.Tensor) -> float:
    """Mean cosine of unit features (n, d) and (n, d); not times 100."""
    return float((image_features * text_features).sum(1).mean())
