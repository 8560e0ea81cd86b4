"""Horizontal bars of several series, ours beside the paper's."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.report.figures import panels, save_figure

COLOURS = ("#4c72b0", "#f2c14e", "#e07a5f", "#81b29a")


def plot_bars(tables: dict[str, pd.DataFrame], path: Path, *, title: str) -> None:
    """One panel a table: one group of bars a row, one bar a series.

    Args:
        tables: title -> a table whose index names the rows, the same in all panels, with one column for each of at
            most four series. Columns `_low` and `_high` of a series are its interval. Missing values have no bar.
    """
    rows = len(next(iter(tables.values())))
    size = (4.2 * len(tables) + 1, 0.42 * rows + 1.4)
    figure, axes = panels(1, len(tables), size, sharey=True)
    for axis, (name, table) in zip(axes[0], tables.items(), strict=True):
        series = [column for column in table.columns if not column.endswith(("_low", "_high"))]
        thickness = 0.8 / len(series)
        for place, column in enumerate(series):
            heights = np.arange(rows) + (place - (len(series) - 1) / 2) * thickness
            axis.barh(heights, table[column].fillna(0), thickness, label=column, color=COLOURS[place])
            _annotate(axis, heights, table, column)
        axis.set_title(name, fontsize=9)
        axis.set_yticks(np.arange(rows), table.index, fontsize=7)
        axis.margins(x=0.18)
    axes[0][0].invert_yaxis()
    handles, labels = axes[0][0].get_legend_handles_labels()
    below = 0.35 / size[1] if len(labels) > 1 else 0.0
    if len(labels) > 1:
        figure.legend(handles, labels, fontsize=7, ncols=len(labels), loc="lower center")
    save_figure(figure, path, title=title, below=below)


def _annotate(axis: Axes, heights: np.ndarray, table: pd.DataFrame, column: str) -> None:
    """Intervals, where there are any, and each bar's figure behind them."""
    low, high = (table.get(f"{column}_{end}", table[column]) for end in ("low", "high"))
    if f"{column}_low" in table:
        ends = [table[column] - low, high - table[column]]
        axis.errorbar(table[column], heights, xerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    for height, value, end in zip(heights, table[column], high.fillna(table[column]), strict=True):
        if pd.notna(value):
            axis.annotate(f"{value:.4g}", (end, height), (3, 0), textcoords="offset points", fontsize=6, va="center")
