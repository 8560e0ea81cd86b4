"""What looks at images: features for distances, embeddings for the CLIP score, logits for classes and attributes."""

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Sight:
    """What an examiner sees in n images; everything on the CPU.

    Attributes:
        features: for FID and KID, (n, d).
        class_logits: for the inception score, (n, classes); no columns where the examiner knows no classes.
        embeddings: unit length, comparable with those of texts, (n, e).
        attribute_logits: attribute -> (n, values).
    """

    features: torch.Tensor
    class_logits: torch.Tensor
    embeddings: torch.Tensor
    attribute_logits: dict[str, torch.Tensor]

    @staticmethod
    def together(parts: "list[Sight]") -> "Sight":
        """Several batches as one."""
        names = parts[0].attribute_logits
        return Sight(
            torch.cat([part.features for part in parts]),
            torch.cat([part.class_logits for part in parts]),
            torch.cat([part.embeddings for part in parts]),
            {name: torch.cat([part.attribute_logits[name] for part in parts]) for name in names},
        )


class Examiner(Protocol):
    """The networks behind the scores.

    Attributes:
        features_by, clip_by, attributes_by: what stands in tables as the source of FID, KID and IS, of the CLIP
            score, and of the attribute accuracies.
        features_digest: of the weights and preprocessing behind `Sight.features`.
        labels: attribute -> its values, in the order of the logits.
    """

    features_by: str
    clip_by: str
    attributes_by: str
    features_digest: str
    labels: dict[str, list[str]]

    def see(self, images: torch.Tensor) -> Sight:
        """Look at uint8 images (n, 3, H, W)."""
        ...

    def text(self, prompts: list[str]) -> torch.Tensor:
        """Unit-length embeddings (n, e)."""
        ...
