"""How far an image is from the cloud's of the same noise, by the embeddings of whoever gives the CLIP score."""

import torch


def judge_distances(embeddings: torch.Tensor, cloud_only: torch.Tensor | None) -> torch.Tensor:
    """1 - cosine (n,) of unit embeddings (n, e) of paired images; exactly 0 where they are equal, nan without a pair.

    Source: one less CLIP-I (Ruiz et al. 2023, DreamBooth, Section 4.2); what LPIPS is to a classifier's features.
    """
    if cloud_only is None:
        return torch.full((len(embeddings),), torch.nan)
    return ((embeddings - cloud_only) ** 2).sum(1) / 2
