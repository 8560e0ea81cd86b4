"""The figure of the privacy experiment, drawn from its stored tables."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from obclip_cli.report.figures import panels, save_figure

COLOURS = {"all": "#444444", "bucket": "#4c72b0", "dp": "#dd8452", "fresh": "#c44e52", "replacement": "#8172b3"}


def plot_privacy(sweep: pd.DataFrame, utility: pd.DataFrame, queries: pd.DataFrame, path: Path, *, title: str) -> None:
    """Cost, utility and success over λ; success over requests.

    Args:
        sweep: `strategy`, `lambda`, `cost_share`, `bound`, `best`.
        utility: `lambda`, `right` of the strategy dp; λ = 0 is everything sent. Empty: no panel.
        queries: `strategy`, `prompts`, `queries`, `success`, `bound`.
    """
    count = 5 if len(utility) else 4
    figure, (axes,) = panels(1, count, (3.4 * count, 3.6))
    cost, *middle, success, repeated, different = axes
    _cost(cost, sweep)
    for axis in middle:
        _utility(axis, sweep, utility)
    _success(success, sweep)
    for axis, prompts in ((repeated, "the same"), (different, "different")):
        _over_queries(axis, queries[queries["prompts"] == prompts], prompts)
    for axis in axes:
        axis.grid(alpha=0.3)
    cost.legend(fontsize=7)
    success.legend(fontsize=7)
    repeated.legend(fontsize=7, loc="center right", bbox_to_anchor=(1, 0.68))
    save_figure(figure, path, title=title)


def _lines(sweep: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each strategy over λ; all begin where everything is sent."""
    everything = sweep[sweep["strategy"] == "all"]
    named = [str(name) for name in sweep["strategy"].unique() if name != "all"]
    return [(name, pd.concat([everything, sweep[sweep["strategy"] == name]])) for name in named]


def _cost(axis: Axes, sweep: pd.DataFrame) -> None:
    styles = {"bucket": "o-", "dp": "s--", "fresh": "x:"}
    for name, line in _lines(sweep):
        axis.plot(line["lambda"], 100 * line["cost_share"], styles[name], color=COLOURS[name], label=name, markersize=4)
    axis.set(xlabel="λ", ylim=(0, 105))
    axis.set_title("cloud cost, % of sending all ↓", fontsize=9)


def _utility(axis: Axes, sweep: pd.DataFrame, utility: pd.DataFrame) -> None:
    full = utility.loc[utility["lambda"] == 0, "right"].iloc[0]
    axis.plot(utility["lambda"], 100 * (full - utility["right"]), "s--", color=COLOURS["dp"], markersize=4)
    for name, line in _lines(sweep):
        if name != "dp":  # p* is always sent: the image is the same
            axis.plot(line["lambda"], 0 * line["lambda"], "-", color=COLOURS[name])
    axis.set(xlabel="λ")
    axis.set_title("utility loss: right attributes, points ↓", fontsize=9)


def _success(axis: Axes, sweep: pd.DataFrame) -> None:
    bound = sweep.drop_duplicates("lambda").sort_values("lambda")
    axis.plot(bound["lambda"], 100 * bound["bound"], "k-", linewidth=1, label="bound 1/N + λ")
    for name, line in _lines(sweep):
        axis.plot(
            line["lambda"], 100 * line["best"], "o--", color=COLOURS[name], label=f"best attack on {name}", markersize=4
        )
    axis.set(xlabel="λ", ylim=(0, 105))
    axis.set_title("success of a guess, % ↓", fontsize=9)


def _over_queries(axis: Axes, queries: pd.DataFrame, prompts: str) -> None:
    for name, line in queries.groupby("strategy", sort=False):
        axis.plot(line["queries"], 100 * line["success"], "-o", color=COLOURS[str(name)], label=str(name), markersize=3)
    bound = queries["bound"].max()
    whose = "bucket, dp" if prompts == "the same" else "bucket"  # the others' draws add up
    axis.axhline(100 * bound, color="black", linewidth=1, linestyle=":", label=f"bound of {whose}")
    axis.set(xlabel=f"requests ({prompts} prompt{'s' if prompts == 'different' else ''})", ylim=(0, 105))
    axis.set_xticks(range(2, int(queries["queries"].max()) + 1, 2))
    axis.set_title("success of intersection, % ↓", fontsize=9)
