"""Horizontal bars of several series, ours beside the paper's."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.report.figures import fill, legend_below, panels, save_figure


def plot_scores(table: pd.DataFrame, path: Path, *, columns: dict[str, str], title: str) -> None:
    """One panel of bars a score, one bar a method, with the table's intervals.

    Args:
        table: one row a method, with `method`, the score columns and their `_low` and `_high`.
        columns: score column -> what stands over its panel.
    """
    rows = table.set_index("method")
    shown = {label: [c for c in (name, f"{name}_low", f"{name}_high") if c in rows] for name, label in columns.items()}
    plot_bars({label: rows[names] for label, names in shown.items()}, path, title=title)


def plot_bars(tables: dict[str, pd.DataFrame], path: Path, *, title: str) -> None:
    """One panel a table: one group of bars a row, one bar a series.

    Args:
        tables: title -> a table whose index names the rows, the same in all panels, with one column for each
            series. Columns `_low` and `_high` of a series are its interval. Missing values have no bar.
    """
    rows = len(next(iter(tables.values())))
    size = (4.2 * len(tables) + 1, 0.42 * rows + 1.4)
    figure, axes = panels(1, len(tables), size, sharey=True)
    for axis, (name, table) in zip(axes[0], tables.items(), strict=True):
        series = [column for column in table.columns if not column.endswith(("_low", "_high"))]
        thickness = 0.8 / len(series)
        for place, column in enumerate(series):
            heights = np.arange(rows) + (place - (len(series) - 1) / 2) * thickness
            axis.barh(heights, table[column].fillna(0), thickness, label=column, **fill(place))
            _annotate(axis, heights, table, column)
        axis.set_title(name, fontsize=9)
        axis.set_yticks(np.arange(rows), table.index, fontsize=7)
        axis.margins(x=0.18)
    axes[0][0].invert_yaxis()
    handles, labels = axes[0][0].get_legend_handles_labels()
    below = legend_below(figure, handles, labels) if len(labels) > 1 else 0.0
    save_figure(figure, path, title=title, below=below)


def _annotate(axis: Axes, heights: np.ndarray, table: pd.DataFrame, column: str) -> None:
    """Intervals, where there are any, and each bar's figure behind them."""
    low, high = (table.get(f"{column}_{end}", table[column]) for end in ("low", "high"))
    if f"{column}_low" in table:
        ends = [end.clip(lower=0).fillna(0) for end in (table[column] - low, high - table[column])]
        axis.errorbar(table[column], heights, xerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    for height, value, end in zip(heights, table[column], high.fillna(table[column]), strict=True):
        if pd.notna(value):
            axis.annotate(f"{value:.4g}", (end, height), (3, 0), textcoords="offset points", fontsize=6, va="center")
