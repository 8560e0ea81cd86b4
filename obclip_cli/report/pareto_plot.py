"""Cost against fidelity with the front drawn, and how cost grows with the number of candidates."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

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
    points, scales = sorted(table["k"].unique(), reverse=True), sorted(table["guidance"].unique())
    figure, axes = panels(len(points), len(scales), (4.2 * len(scales), 3.1 * len(points)), sharex=True, sharey="row")
    for line, k in zip(axes, points, strict=True):
        for axis, guidance in zip(line, scales, strict=True):
            rows = table[(table["k"] == k) & (table["guidance"] == guidance)]
            for place, (family, (label, marker)) in enumerate(FAMILIES.items()):
                some = rows[rows["family"] == family]
                y = some["distance"].clip(lower=LEAST)
                ends = [(y - some["distance_low"]).clip(lower=0), (some["distance_high"] - y).clip(lower=0)]
                look = {"color": HUES[place], "markeredgecolor": "black", "markersize": 6, "markeredgewidth": 0.5}
                axis.errorbar(some["macs"], y, yerr=ends, fmt=marker, label=label, elinewidth=0.8, **look)
            best = rows[rows["on_front"]].sort_values("macs")
            axis.step(best["macs"], best["distance"].clip(lower=LEAST), where="post", color="black", linewidth=0.9)
            for _, row in rows[rows["family"].isin(("thin", "paper", "peers"))].iterrows():
                right = row["macs"] > 0.7
                look = {"fontsize": 5, "ha": "right" if right else "left", "textcoords": "offset points"}
                name = row["method"].partition(",")[0]
                axis.annotate(name, (row["macs"], max(row["distance"], LEAST)), (-5 if right else 5, 3), **look)
            axis.set(yscale="log", title=f"k = {k}, guidance {guidance:g}", xlim=(0, 1.05))
            axis.yaxis.set_major_formatter(PLAIN)
            axis.title.set_fontsize(9)
            axis.grid(alpha=0.3)
        line[0].set_ylabel("distance of the latent, relative")
    for axis in axes[-1]:
        axis.set_xlabel("multiply-accumulates, share of unaccelerated")
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels())
    save_figure(figure, path, title=f"{title}: below and left is better; the line is the front", below=below)


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
