"""The plot over all runs of a sweep."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.evaluation.sweep_report import SweepReport
from obclip_cli.metrics.scores import panels as metric_panels
from obclip_cli.report.figures import legend_below, mark, panels, save_figure


def plot_sweep_runs(report: SweepReport, path: Path, *, title: str) -> None:
    """One panel a score over the swept number with most values; one line for each combination of the others.

    Bars are 95 % intervals; grey lines are the large and the small model alone.
    """
    runs = report.runs
    over = _horizontal(runs, report.swept)
    others = [key for key in report.swept if key != over]
    labels = _labels(runs, others)
    scores = metric_panels(runs)
    figure, axes = panels(1, len(scores), (3.4 * len(scores), 3.6))
    for axis, (name, score) in zip(axes[0], scores.items(), strict=True):
        lines = list(runs.groupby(labels, sort=False)) if over else [("", runs)]
        for place, (label, line) in enumerate(lines):
            line, looks = line.sort_values(over) if over else line, mark(place, len(lines))
            _draw(axis, line[over] if over else labels[line.index], line, name, str(label), looks)
        for (_, row), style in zip(report.baselines.iterrows(), ("--", ":"), strict=False):
            axis.axhline(row[name], linestyle=style, color="grey", linewidth=1, label=row["method"])
        axis.set(title=score, xlabel=over or "")
        axis.tick_params(axis="x", rotation=0 if over else 30)
        axis.grid(alpha=0.3)
    below = legend_below(figure, *axes[0][0].get_legend_handles_labels())
    save_figure(figure, path, title=title, below=below)


def _draw(axis: Axes, places: pd.Series, line: pd.DataFrame, name: str, label: str, looks: dict[str, Any]) -> None:
    below, above = line[name] - line[f"{name}_low"], line[f"{name}_high"] - line[name]
    ends = [end.fillna(0).clip(lower=0) for end in (below, above)]
    style = "-" if label else ""
    axis.errorbar(places, line[name], yerr=ends, linestyle=style, capsize=2, label=label or "runs", **looks)


def _horizontal(runs: pd.DataFrame, swept: list[str]) -> str | None:
    """The numeric setting with most values."""
    numeric = [key for key in swept if pd.api.types.is_numeric_dtype(runs[key]) and runs[key].nunique() > 1]
    return max(numeric, key=lambda key: runs[key].nunique(), default=None)


def _labels(runs: pd.DataFrame, keys: list[str]) -> pd.Series:
    """What the other settings of each run are."""
    if not keys:
        return runs["method"].str.partition(",")[0]
    return runs[keys].apply(lambda row: ", ".join(f"{key}={value}" for key, value in row.items()), axis=1)
