"""Whether an image shows the attribute that its prompt asked for."""

from collections.abc import Sequence

import numpy as np
import torch


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
