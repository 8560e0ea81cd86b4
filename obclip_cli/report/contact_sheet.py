"""One picture of a generation: the image beside its baselines, and all that the cloud sent back."""

import textwrap
from pathlib import Path

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from obclip_cli.report.saving import save_figure


def write_contact_sheet(
    path: Path, *, title: str, compared: dict[str, torch.Tensor], candidates: dict[str, torch.Tensor]
) -> None:
    """Draw the compared images in the first row and the candidates below, each under its caption.

    Args:
        compared: caption -> image (3, H, W) in [0, 1].
        candidates: prompt -> decoded latent (3, H, W); the real one looks like any other.
    """
    columns = max(3, min(5, len(candidates)))
    below = -(-len(candidates) // columns)
    figure, axes = plt.subplots(
        1 + below, columns, figsize=(2.1 * columns, 2.4 * (1 + below)), squeeze=False, layout="constrained"
    )
    figure.suptitle(textwrap.fill(title, 26 * columns), fontsize=11)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (caption, image) in zip(axes[0], compared.items(), strict=False):
        _draw(axis, image, caption, bold=True)
    for axis, (caption, image) in zip(axes[1:].flat, candidates.items(), strict=False):
        _draw(axis, image, caption, bold=False)
    save_figure(figure, path, dpi=100)


def _draw(axis: Axes, image: torch.Tensor, caption: str, *, bold: bool) -> None:
    axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
    axis.set_title(textwrap.fill(caption, 26), fontsize=8, fontweight="bold" if bold else "normal")
