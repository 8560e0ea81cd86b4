"""The plot of prompt replacement: scores against the share of steps that see the real prompt."""

from pathlib import Path

import pandas as pd

from obclip_cli.report.figures import panels, save_figure


def plot_replacement(
    table: pd.DataFrame, path: Path, *, columns: dict[str, dict[str, str]], title: str, threshold: float
) -> None:
    """One panel a group of scores, with 95 % intervals.

    Args:
        table: rows with `share` (0..1), scores and their `_low` and `_high`; panels of missing scores stay empty.
        columns: panel's title -> score -> its name in the legend.
        threshold: the share at which the paper draws the line.
    """
    figure, axes = panels(1, len(columns), (3.6 * len(columns), 3.3))
    for axis, (label, scores) in zip(axes[0], columns.items(), strict=True):
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
    save_figure(figure, path, title=title)
