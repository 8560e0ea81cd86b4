"""How often an image shows the attribute that its prompt asked for, by a judge's linear head."""

import math

import torch


def attribute_accuracy(logits: torch.Tensor, wanted: list[str | None], classes: list[str], *, top: int = 1) -> float:
    """Share of images whose wanted value is among the `top` classes; nan if none is wanted.

    Args:
        logits: (n, classes).
        wanted: the value each prompt asked for, None where it asked for none.
    """
    rows = [i for i, value in enumerate(wanted) if value in classes]
    if not rows:
        return math.nan
    best = logits[rows].topk(min(top, len(classes)), dim=1).indices
    places = torch.tensor([classes.index(wanted[i]) for i in rows])  # type: ignore[arg-type]
    return float((best == places[:, None]).any(1).float().mean())
