"""Plots, drawn from tables that were stored before."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from obclip_cli.report.figures import fill, legend_below, mark, panels, save_figure

TRADEOFF_TICKS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def plot_sweep(
    table: pd.DataFrame, path: Path, *, columns: dict[str, str], title: str, zero: tuple[str, ...] = ()
) -> None:
    """One panel a score over the cloud's share of the steps, one line an order, with a band where there are intervals.

    Args:
        table: rows with `order`, `cloud_share` (0..1) and the score columns; panels of missing columns stay empty.
        zero: the columns that are differences: a line at 0 is drawn through their panels.
    """
    figure, axes = panels(1, len(columns), (3.4 * len(columns), 3.2))
    orders = ("server_first", "client_first")
    for axis, (column, label) in zip(axes[0], columns.items(), strict=True):
        for place, order in enumerate(orders) if column in table else ():
            line, looks = table[table["order"] == order].sort_values("cloud_share"), mark(place, len(orders))
            (drawn,) = axis.plot(100 * line["cloud_share"], line[column], label=order.replace("_", " "), **looks)
            if f"{column}_low" in line:
                low, high = line[f"{column}_low"], line[f"{column}_high"]
                axis.fill_between(
                    100 * line["cloud_share"], low, high, color=drawn.get_color(), alpha=0.12, linewidth=0
                )
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("steps on the cloud (%)")
        axis.grid(alpha=0.3)
        if column in zero:
            axis.axhline(0, color="black", linewidth=0.8)
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels()) if axes[0][0].lines else 0.0
    save_figure(figure, path, title=title, below=below)


def plot_lines(table: pd.DataFrame, path: Path, *, over: tuple[str, str], columns: dict[str, str], title: str) -> None:
    """One panel a score over another column, one line for each `way`, with the table's intervals.

    Args:
        over: the column of the horizontal axis, and its label.
        columns: score column -> what stands over its panel; a column `chance_SCORE` is a dotted line.
    """
    figure, axes = panels(1, len(columns), (4.2 * len(columns), 3.4))
    ways = list(dict.fromkeys(table["way"]))
    for axis, (column, label) in zip(axes[0], columns.items(), strict=True):
        for place, way in enumerate(ways):
            line = table[table["way"] == way].sort_values(over[0])
            ends = [line[column] - line[f"{column}_low"], line[f"{column}_high"] - line[column]]
            axis.errorbar(
                line[over[0]], line[column], ends, label=way, capsize=2, elinewidth=0.8, **mark(place, len(ways))
            )
        if f"chance_{column}" in table:
            axis.axhline(table[f"chance_{column}"].iloc[0], color="black", linestyle=":", linewidth=1)
        axis.set_title(label, fontsize=10)
        axis.set_xlabel(over[1])
        axis.grid(alpha=0.3)
    save_figure(figure, path, title=title, below=legend_below(figure, *axes[0][0].get_legend_handles_labels()))


def plot_tradeoff(sources: dict[str, pd.DataFrame], path: Path, *, score: str, label: str, title: str) -> None:
    """One panel a source (ours, the paper's), two in a line: a score over the cloud's cost, one mark a row.

    A row of the same name has the same mark in every panel; the legend stands below all of them.

    Args:
        sources: title -> rows with `name`, `cloud_share` (cost against cloud-only), the score and, where known, its
            `_low` and `_high`; rows without a score are left out.
    """
    lines = -(-len(sources) // 2)
    figure, axes = panels(lines, 2, (9.6, 3.3 * lines + 0.4))
    known = [table[table[score].notna() & table["cloud_share"].notna()] for table in sources.values()]
    names = list(dict.fromkeys(name for rows in known for name in rows["name"]))
    styles = {name: mark(place, len(names)) for place, name in enumerate(names)}
    for axis, source, rows in zip(axes.flat, sources, known, strict=False):
        _tradeoff_panel(axis, rows, score, styles)
        axis.set(xlabel="cloud's multiply-accumulates against cloud-only", ylabel=label)
        axis.set_title(source, fontsize=10)
    for axis in axes.flat[len(sources) :]:
        axis.axis("off")
    marks = [Line2D([], [], linestyle="", **looks) for looks in styles.values()]
    save_figure(figure, path, title=title, below=legend_below(figure, marks, names))


def _tradeoff_panel(axis: Axes, rows: pd.DataFrame, score: str, styles: dict[str, dict[str, Any]]) -> None:
    for row in rows.to_dict("records"):
        low, high = (row.get(f"{score}_{end}", row[score]) for end in ("low", "high"))
        ends = [[max(0.0, row[score] - low)], [max(0.0, high - row[score])]]
        axis.errorbar(row["cloud_share"], row[score], ends, capsize=2, elinewidth=0.8, **styles[row["name"]])
    axis.set_xscale("symlog", linthresh=0.1)
    dearest = rows["cloud_share"].max() if len(rows) else 1.0
    ticks = [tick for tick in TRADEOFF_TICKS if tick <= 1.2 * dearest]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(-0.02, 1.4 * dearest)
    axis.minorticks_off()
    axis.grid(alpha=0.3)


def plot_savings(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """One panel a setting: each step's cost as a stack of what is computed and what each part saves.

    Args:
        tables: title -> `step`, `computed` and one column a part, in G multiply-accumulates.
    """
    figure, axes = panels(1, len(tables), (4.6 * len(tables), 3.6))
    for axis, (title, table) in zip(axes[0], tables.items(), strict=True):
        below = pd.Series(0.0, index=table.index)
        for place, part in enumerate(table.columns.drop("step")):
            label = part if part == "computed" else f"saved by {part}"
            axis.bar(table["step"], table[part], bottom=below, label=label, edgecolor="white", **fill(place))
            below = below + table[part]
        axis.set(title=title, xlabel="step of the cloud", ylabel="G multiply-accumulates", xticks=table["step"])
        axis.title.set_fontsize(10)
    save_figure(figure, path, below=legend_below(figure, *axes[0][0].get_legend_handles_labels()))


def plot_speed(table: pd.DataFrame, path: Path, *, share: float) -> None:
    """Measured speed-up over the speed-up by multiply-accumulates, one panel a model, with the line to stay above.

    Args:
        table: rows with `model`, `method`, `n`, `speedup_by_macs` and `speedup_measured`.
        share: slope of the lower line.
    """
    models = list(table["model"].unique())
    figure, axes = panels(1, len(models), (4.6 * len(models), 4.0))
    for axis, model in zip(axes[0], models, strict=True):
        rows = table[table["model"] == model]
        for method, points in rows.groupby("method", sort=False):
            axis.scatter(points["speedup_by_macs"], points["speedup_measured"], s=10 + 5 * points["n"], label=method)
        furthest = 1.05 * rows[["speedup_by_macs", "speedup_measured"]].max(axis=None)
        axis.plot([1, furthest], [1, furthest], "k-", linewidth=0.7)
        axis.plot([1, furthest], [share, share * furthest], "k:", linewidth=0.7)
        axis.set(title=model, xlabel="speed-up by multiply-accumulates", ylabel="speed-up measured")
        axis.grid(alpha=0.3)
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels())
    save_figure(figure, path, title="Cloud phase against vanilla OG; larger dots: more candidates", below=below)


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
        known = [score for score in scores if score in table and table[score].notna().any()]
        for place, score in enumerate(known):
            low, high = table[score] - table[f"{score}_low"], table[f"{score}_high"] - table[score]
            ends = [end.clip(lower=0).fillna(0) for end in (low, high)]
            looks = mark(place, len(known))
            axis.errorbar(100 * table["share"], table[score], yerr=ends, capsize=2, label=scores[score], **looks)
        axis.axvline(100 * threshold, color="grey", linestyle="--", linewidth=1)
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("steps that see p* (%)")
        axis.grid(alpha=0.3)
        if len(axis.containers) > 1:
            axis.legend(fontsize=8)
    save_figure(figure, path, title=title)
