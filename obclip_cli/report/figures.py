"""Figures of matplotlib without its global state, so that importing a plot never touches the caller's backend."""

import io
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from obclip_cli.runs import write_bytes

LETTERS = 12  # that an inch of a title or legend holds
HUES = ("#4c72b0", "#f2c14e", "#e07a5f", "#81b29a", "#b8a9c9", "#8c6d46", "#d98cb3", "#7f7f7f", "#2f9c95", "#8e3b46")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def fill(place: int) -> dict[str, Any]:
    """How the bars of one of any number of series look: ten colours, then the same ones hatched."""
    return {"color": HUES[place % len(HUES)], "hatch": ("", "//", "..", "xx")[place // len(HUES) % 4]}


def mark(place: int, count: int) -> dict[str, Any]:
    """How one of `count` lines looks; all are seen where they coincide, as each later one is thinner and smaller."""
    above, most = count - 1 - place, max(1, count - 1)
    looks = {"color": f"C{place % 10}", "marker": MARKERS[place % len(MARKERS)], "markerfacecolor": "none"}
    return looks | {"markersize": 4 + min(3, 9 / most) * above, "linewidth": 1 + min(1.4, 5 / most) * above}


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, fontsize: float = 7.5) -> float:
    """A legend below all panels, whole: in as many columns as the width holds, and the figure grows by its height.

    Returns:
        the share of the height that it takes, for `save_figure`.
    """
    labels = [textwrap.fill(label, int(LETTERS * figure.get_figwidth())) for label in labels]
    renderer = FigureCanvasAgg(figure).get_renderer()
    for columns in range(max(1, len(labels)), 0, -1):
        legend = figure.legend(handles, labels, fontsize=fontsize, ncols=columns, loc="lower center")
        box = legend.get_window_extent(renderer)
        if box.width <= 0.98 * figure.bbox.width or columns == 1:
            break
        legend.remove()
    needed = box.height / figure.dpi + 0.1
    figure.set_figheight(figure.get_figheight() + needed)
    return float(needed / figure.get_figheight())


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
        figure.suptitle(textwrap.fill(title, int(LETTERS * figure.get_figwidth())), fontsize=10)
    for text in figure.findobj(Text):  # a "$" of a prompt begins no formula
        text.set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # an emoji of a prompt
        _write(figure, path, below, dpi)


def _write(figure: Figure, path: Path, below: float | None, dpi: int) -> None:
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
