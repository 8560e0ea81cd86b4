"""One picture of a generation: the image beside its baselines, and all that the cloud sent back."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from PIL.Image import Image

from obclip_cli.report.figures import panels, save_figure


def write_contact_sheet(path: Path, *, title: str, compared: dict[str, Image], candidates: dict[str, Image]) -> None:
    """Draw the compared images in the first row and the candidates below, each under its caption.

    Args:
        compared: caption -> image.
        candidates: prompt -> decoded latent; the real one looks like any other.
    """
    columns = max(3, min(5, len(candidates)))
    rows = 1 + -(-len(candidates) // columns)
    figure, axes = panels(rows, columns, (2.1 * columns, 2.4 * rows), layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    _draw(axes[0], compared, "bold")
    _draw(axes[1:].flat, candidates, "normal")
    save_figure(figure, path, title=textwrap.fill(title, 26 * columns), dpi=100)


def _draw(axes: Iterable[Axes], images: dict[str, Image], weight: str) -> None:
    for axis, (caption, image) in zip(axes, images.items(), strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(textwrap.fill(caption, 26), fontsize=8, fontweight=weight)
