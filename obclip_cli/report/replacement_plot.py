"""The plot of prompt replacement: scores against the share of steps that see the real prompt."""

from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from obclip_cli.report.saving import save_figure


def plot_replacement(
    table: pd.DataFrame, path: Path, *, panels: dict[str, dict[str, str]], title: str, threshold: float
) -> None:
    """One panel a group of scores, with 95 % intervals.

    Args:
        table: rows with `share` (0..1), scores and their `_low` and `_high`; panels of missing scores stay empty.
        panels: panel's title -> score -> its name in the legend.
        threshold: the share at which the paper draws the line.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.3), squeeze=False)
    for axis, (label, scores) in zip(axes[0], panels.items(), strict=True):
        for score, name in scores.items():
            if score not in table or table[score].isna().all():
                continue
            low, high = table[score] - table[f"{score}_low"], table[f"{score}_high"] - table[score]
            ends = [end.clip(lower=0).fillna(0) for end in (low, high)]
            axis.errorbar(100 * table["share"], table[score], yerr=ends, fmt="o-", markersize=4, capsize=2, label=name)
        axis.axvline(100 * threshold, color="grey", linestyle="--", linewidth=1)
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("steps that see p* (%)")
        axis.grid(alpha=0.3)
        if len(axis.containers) > 1:
            axis.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    save_figure(figure, path)
