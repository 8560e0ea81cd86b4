"""The figure of the game on natural text, drawn from its stored table."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.report.figures import panels, save_figure

COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52")


def plot_natural_text(table: pd.DataFrame, path: Path, *, title: str) -> None:
    """What single prompts tell beyond the prior; many prompts of one person; published images.

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
    found, prior = 100 * rows["success"].to_numpy(), 100 * rows["prior"].to_numpy()
    low, high = (prior + 100 * rows[end].to_numpy() for end in ("low", "high"))
    places = range(len(rows))
    axis.errorbar(found, places, xerr=[found - low, high - found], fmt="o", color=COLOURS[3], markersize=4)
    axis.plot(prior, places, ":", color="black", linewidth=1)
    said = zip(rows["setting"], rows["attributes_right"], strict=True)
    names = [f"{name} ({right:.0%} right)".replace(", ", ",\n") for name, right in said]
    axis.set_yticks(places, names, fontsize=7)
    axis.set(xlim=(0, 100))
    axis.set_xlabel("dotted: 1/N; right: attributes in the image", fontsize=9)
    axis.invert_yaxis()
    axis.set_title("p* found from the published image, % ↓", fontsize=9)
