"""The figure of the game on natural text, drawn from its stored table."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.report.figures import panels, save_figure

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52")


def plot_natural_text(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """What single prompts tell beyond the prior; many prompts of one person; published images and their cost.

    Args:
        table: one row an attack, as `experiments/natural_text.py` stores them.
    """
    figure, (axes,) = panels(1, 3, (15, 4.2))
    _one(axes[0], table[(table["question"] == "one prompt") & (table["attribute"] == "gender")])
    _many(axes[1], table[table["question"] == "many prompts"])
    _published(axes[2], table[table["question"] == "published image"])
    for axis in axes:
        axis.grid(alpha=0.3)
    save_figure(figure, path, title=title)


def _one(axis: Axes, rows: pd.DataFrame) -> None:
    rows = rows[(rows["attack"] != "majority") & (rows["prompts"] >= 20)]
    names = [f"{r.attack}: {r.learnt_on} → {r.tried_on}" for r in rows.itertuples()]
    middle, low, high = (100 * rows[column].to_numpy() for column in ("beyond", "low", "high"))
    axis.errorbar(middle, range(len(rows)), xerr=[middle - low, high - middle], fmt="o", color=COLOURS[0], markersize=4)
    axis.axvline(0, color="black", linewidth=1)
    axis.set_yticks(range(len(rows)), names, fontsize=7)
    axis.set_title("gender from one prompt, points beyond the prior ↓", fontsize=9)


def _many(axis: Axes, rows: pd.DataFrame) -> None:
    for colour, (names, line) in zip(COLOURS, rows.groupby(["learnt_on", "tried_on"], sort=False), strict=False):
        counts = line["attack"].str.rsplit(n=1).str[-1].astype(int)
        axis.plot(counts, 100 * line["success"], "o-", color=colour, label=f"{names[0]} → {names[1]}", markersize=4)
        axis.plot(counts, 100 * line["prior"], ":", color=colour, linewidth=1)
    axis.set(xlabel="prompts of one person (dotted: the prior)", ylim=(40, 101))
    axis.legend(fontsize=7)
    axis.set_title("gender from many prompts, % right ↓", fontsize=9)


def _published(axis: Axes, rows: pd.DataFrame) -> None:
    axis.plot(100 * rows["success"], 100 * rows["attributes_right"], "o", color=COLOURS[3])
    for name, found, right in zip(rows["setting"], rows["success"], rows["attributes_right"], strict=True):
        axis.annotate(str(name), (100 * found, 100 * right), fontsize=6, xytext=(5, -2), textcoords="offset points")
    axis.set(xlabel="p* found from the published image, % ↓", xlim=(0, 175))
    axis.margins(y=0.1)
    axis.set_title("attributes right in the image, % ↑", fontsize=9)
