"""Curves and heat maps of differences, drawn from tables that were stored before."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from obclip_cli.report.figures import legend_below, panels, save_figure

COLOURS = ("#222222", "#4c72b0", "#e07a5f", "#81b29a")


def plot_redundancy(
    curves: pd.DataFrame,
    path: Path,
    *,
    steps: pd.DataFrame,
    candidates: pd.DataFrame,
    comparisons: dict[str, str],
    parts: dict[str, str],
    points: dict[str, int],
    label: str,
    title: str,
) -> None:
    """One row of panels a part: curves over steps, steps with steps, candidates with candidates.

    Args:
        curves: `part`, `step` and each comparison with `_low` and `_high`.
        steps, candidates: the heat maps in long form, with `value`.
        comparisons, parts: column or value -> what it is called.
        points: what the paper's points are called -> their step.
        label: of the difference.
    """
    shown = sorted(candidates["step"].unique())
    width = [2.2, 1.25, *[1.0] * len(shown)]
    size = (6.3 + 2.1 * len(shown), 3.1 * len(parts) + 0.9)
    figure, axes = panels(len(parts), 2 + len(shown), size, width_ratios=width)
    for line, (part, name) in zip(axes, parts.items(), strict=True):
        _curves(line[0], curves[curves["part"] == part], comparisons, points)
        line[0].set(title=name, xlabel="step", ylabel=label)
        highest = candidates.loc[candidates["part"] == part, "value"].max()
        _heat_map(line[1], _square(steps[steps["part"] == part], "step"), None)
        line[1].set(title="step × step, one candidate", xlabel="step", ylabel="step")
        for axis, step in zip(line[2:], shown, strict=True):
            chosen = candidates[(candidates["part"] == part) & (candidates["step"] == step)]
            _heat_map(axis, _square(chosen, "candidate"), highest)
            axis.set(title=f"candidates, step {step}", xlabel="candidate", ylabel="candidate")
        for axis in line:
            axis.title.set_fontsize(9)
            axis.xaxis.label.set_fontsize(8)
            axis.yaxis.label.set_fontsize(8)
    save_figure(figure, path, title=title, below=legend_below(figure, *axes[0][0].get_legend_handles_labels()))


def _curves(axis: Axes, table: pd.DataFrame, comparisons: dict[str, str], points: dict[str, int]) -> None:
    for (comparison, name), colour in zip(comparisons.items(), COLOURS, strict=True):
        axis.plot(table["step"], table[comparison], color=colour, label=name, linewidth=1.4)
        low, high = table[f"{comparison}_low"], table[f"{comparison}_high"]
        axis.fill_between(table["step"], low, high, color=colour, alpha=0.15, linewidth=0)
    axis.set_ylim(bottom=0)
    place = ("data", "axes fraction")
    for name, step in points.items():
        axis.axvline(step, color="grey", linestyle=":", linewidth=0.9)
        axis.annotate(name, (step, 0.03), xycoords=place, fontsize=7, ha="right", rotation=90)
    axis.grid(alpha=0.3)


def _square(table: pd.DataFrame, rows: str) -> np.ndarray:
    return table.pivot(index=rows, columns="other", values="value").to_numpy()


def _heat_map(axis: Axes, values: np.ndarray, highest: float | None) -> None:
    image = axis.imshow(values, cmap="viridis", vmin=0, vmax=highest)
    bar = axis.figure.colorbar(image, ax=axis, fraction=0.046, pad=0.04)
    bar.ax.tick_params(labelsize=6)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.tick_params(labelsize=7)
