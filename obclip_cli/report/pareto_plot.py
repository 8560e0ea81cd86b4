"""Cost against fidelity with the front drawn, and how cost grows with the number of candidates."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from obclip_cli.report.figures import HUES, legend_below, panels, save_figure

FAMILIES = {
    "uncached": ("unaccelerated", "o"),
    "paper": ("the paper's presets", "s"),
    "thin": ("larger steps (ours)", "^"),
    "trunk": ("shared trunk (ours)", "D"),
    "cache": ("caches that do not drift (ours)", "v"),
    "peers": ("DeepCache, T-GATE, PAB", "P"),
}
LEAST = 1e-3  # a distance of 0 on a logarithmic axis
# Where a mark's name may stand, in points, and which end of it is there; the front runs right and down from its marks.
PLACES = [
    ((5, 6), "left"),
    ((-6, 0), "right"),
    ((-5, -6), "right"),
    ((-5, 6), "right"),
    ((5, -6), "left"),
    ((6, 0), "left"),
    ((0, 10), "center"),
]
HALO = [withStroke(linewidth=1.5, foreground="white")]
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def front(table: pd.DataFrame) -> np.ndarray:
    """Whether no other row costs no more and is nearer, (n,); rows with `macs` and `distance`."""
    cost, distance = table["macs"].to_numpy(dtype=float), table["distance"].to_numpy(dtype=float)
    return np.array([not ((cost <= c + 1e-9) & (distance < d)).any() for c, d in zip(cost, distance, strict=True)])


def plot_pareto(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """One panel a k and guidance scale: the latent's distance over the share of multiply-accumulates.

    Args:
        table: rows with `k`, `guidance`, `method`, `family`, `macs`, `distance` with its ends, and `on_front`.
    """
    points, scales = list(table["k"].unique()), sorted(table["guidance"].unique())
    whole = [(k, guidance) for k in points for guidance in scales]
    columns = len(scales) if len(scales) > 1 else len(points)
    lines = len(whole) // columns
    width, height = (4.2, 3.1) if lines > 1 else (5.4, 4.4)
    figure, axes = panels(lines, columns, (width * columns, height * lines), sharex=True, sharey="row")
    for axis, (k, guidance) in zip(axes.flat, whole, strict=True):
        rows = table[(table["k"] == k) & (table["guidance"] == guidance)]
        if rows.empty:
            axis.set_visible(False)
            continue
        _panel(axis, rows)
        axis.set(yscale="log", xlim=(0, 1.05), xlabel="multiply-accumulates, share of unaccelerated")
        axis.yaxis.set_major_formatter(PLAIN)
        axis.set_title(f"k = {k}, guidance {guidance:g}", fontsize=9)
        axis.xaxis.set_tick_params(labelbottom=True)
        axis.grid(alpha=0.3)
    for line in axes:
        line[0].set_ylabel("distance of the latent, relative")
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels())
    figure.canvas.draw()  # what follows measures where things are
    for axis, (k, guidance) in zip(axes.flat, whole, strict=True):
        _name(axis, table[(table["k"] == k) & (table["guidance"] == guidance)], fontsize=5.5 if lines > 1 else 7)
    save_figure(figure, path, title=f"{title}: below and left is better; the line is the front", below=below)


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    for place, (family, (label, marker)) in enumerate(FAMILIES.items()):
        some = rows[rows["family"] == family]
        y = some["distance"].clip(lower=LEAST)
        ends = [(y - some["distance_low"]).clip(lower=0), (some["distance_high"] - y).clip(lower=0)]
        look: dict[str, Any] = {
            "color": HUES[place],
            "markeredgecolor": "black",
            "markersize": 6,
            "markeredgewidth": 0.5,
        }
        axis.errorbar(some["macs"], y, yerr=ends, fmt=marker, label=label, elinewidth=0.8, **look)
    best = rows[rows["on_front"]].sort_values("macs")
    axis.step(best["macs"], best["distance"].clip(lower=LEAST), where="post", color="black", linewidth=0.9)


def _name(axis: Axes, rows: pd.DataFrame, *, fontsize: float) -> None:
    """Write methods beside their marks, the front and others' work first; what finds no free place has no name."""
    rows = rows[rows["family"].isin(FAMILIES)].assign(first=rows["on_front"] | rows["family"].isin(("paper", "peers")))
    rows = rows.sort_values(["first", "macs"], ascending=[False, True])
    marks = axis.transData.transform(np.column_stack([rows["macs"], rows["distance"].clip(lower=LEAST)]))
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in marks]
    for name, place in zip(rows["method"], marks, strict=True):
        for offset, side in PLACES:
            look: dict[str, Any] = {"fontsize": fontsize, "ha": side, "va": "center", "path_effects": HALO}
            look |= {"xytext": offset, "textcoords": "offset points"}
            text = axis.annotate(name, place, xycoords="figure pixels", **look)
            box = text.get_window_extent()
            text.remove()
            if axis.bbox.containsx(box.x0) and axis.bbox.containsx(box.x1) and not box.count_overlaps(taken):
                axis.annotate(name, tuple(axis.transData.inverted().transform(place)), **look)
                taken.append(box)
                break


def plot_growth(table: pd.DataFrame, path: Path) -> None:
    """Rows and seconds of the cloud's part over N, one line a method.

    Args:
        table: `method`, `n`, `rows`, `seconds`.
    """
    figure, axes = panels(1, 2, (9.6, 3.6))
    names = {"rows": "UNet rows of a request", "seconds": "seconds of a request"}
    for axis, (column, label) in zip(axes[0], names.items(), strict=True):
        for place, (method, rows) in enumerate(table.groupby("method", sort=False)):
            axis.plot(rows["n"], rows[column], marker="o", markersize=3, color=HUES[place % len(HUES)], label=method)
        axis.set(xscale="log", yscale="log", xlabel="candidates N", ylabel=label, xticks=sorted(table["n"].unique()))
        axis.yaxis.set_major_formatter(PLAIN)
        axis.set_xticklabels(sorted(table["n"].unique()))
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels())
    save_figure(figure, path, title="How the cloud's cost grows with the number of candidates", below=below)
