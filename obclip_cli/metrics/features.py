"""Features of images: pooled ones for distances, embeddings for the CLIP score, logits for classes and attributes."""

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Features:
    """Features of n images; everything on the CPU.

    Attributes:
        pooled: for FID and KID, (n, d).
        class_logits: for the inception score, (n, classes); no columns where the extractor knows no classes.
        embeddings: unit length, comparable with those of texts, (n, e).
        attribute_logits: attribute -> (n, values).
    """

    pooled: torch.Tensor
    class_logits: torch.Tensor
    embeddings: torch.Tensor
    attribute_logits: dict[str, torch.Tensor]

    @staticmethod
    def together(parts: "list[Features]") -> "Features":
        """Several batches as one."""
        return Features(
            torch.cat([part.pooled for part in parts]),
            torch.cat([part.class_logits for part in parts]),
            torch.cat([part.embeddings for part in parts]),
            {name: torch.cat([part.attribute_logits[name] for part in parts]) for name in parts[0].attribute_logits},
        )


class FeatureExtractor(Protocol):
    """The networks behind the scores.

    Attributes:
        features_by, clip_by, attributes_by: the names that captions give to the source of FID, KID and IS, of the CLIP
            score, and of the attribute accuracies.
        features_digest: of the weights and preprocessing behind `Features.pooled`.
        labels: attribute -> its values, in the order of the logits.
    """

    features_by: str
    clip_by: str
    attributes_by: str
    features_digest: str
    labels: dict[str, list[str]]

    def extract(self, images: torch.Tensor) -> Features:
        """Features of uint8 images (n, 3, H, W)."""
        ...

    def text(self, prompts: list[str]) -> torch.Tensor:
        """Unit-length embeddings (n, e)."""
        ...
