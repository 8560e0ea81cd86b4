"""Figures of matplotlib without its global state, so that importing a plot never touches the caller's backend."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from obclip_cli.runs import write_bytes


def panels(rows: int, columns: int, size: tuple[float, float], **settings: Any) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns).

    Args:
        size: width and height in inches.
        **settings: of `Figure.subplots`, and `layout` of the figure.
    """
    figure = Figure(figsize=size, layout=settings.pop("layout", None))
    return figure, figure.subplots(rows, columns, squeeze=False, **settings)


def save_figure(figure: Figure, path: Path, *, title: str = "", below: float | None = 0.0, dpi: int = 120) -> None:
    """Give a figure its title, fit its panels and write it as PNG, whole or not at all; beside it as SVG.

    The SVG keeps text as text, and is the same in every run. A figure that holds pictures has none: they are no lines.

    Args:
        below: share of the height that is left free for a legend; None where the panels stay where they are.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    if title:
        figure.suptitle(title, fontsize=10)
    if below is not None and figure.get_layout_engine() is None:
        figure.tight_layout(rect=(0, below, 1, 1))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    write_bytes(path, content.getvalue())
    if any(axis.images for axis in figure.axes):
        return
    drawing = io.BytesIO()
    with rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    write_bytes(path.with_suffix(".svg"), drawing.getvalue())
