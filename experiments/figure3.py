"""Figure 3 (arXiv 2510.04153): FID and CLIP score against the cloud's share of the steps, in both orders.

The paper's finding, on SD-v1.4 with BK-SDM-small and MS-COCO: while the cloud runs 0-40 % of the steps,
letting it go first beats letting it go last. The prompt is in the clear here (Hybrid SD): the figure is
about the order, and without caches hiding changes no image.
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.benchmark import ProgressBar, run_benchmark, run_name
from obclip_cli.config import ORDERS, Config
from obclip_cli.evaluation import Method
from obclip_cli.report.plots import plot_images, plot_sweep
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.datasets import captions

TITLE = "Figure 3: which side should go first"
SWITCH_POINTS = (0, 5, 10, 15, 20, 25)
PANELS = {"fid": "FID (judge) ↓", "clip": "CLIP score (judge) ↑", "role_top3": "role in judge's top 3 ↑"}


def overrides(pair: str) -> list[str]:
    """The pair's captions."""
    return captions(pair, limit_on_mini=150)


def methods(steps: int) -> list[Method]:
    """Both orders at every switch point; both ends are the same run in either order."""
    return [
        Method(f"{order.replace('_', '-')}, k={k}", order, k)
        for order in ORDERS
        for k in SWITCH_POINTS
        if k <= steps and (order == "server_first" or 0 < k < steps)
    ]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure3.csv`, `.md`, `.png`, the image grid and the run behind them; return what it shows."""
    steps = config.hybrid.steps
    sweep = methods(steps)
    run_folder = folder / "runs" / run_name(config, sweep)
    _, images, samples = run_benchmark(config, sweep, run_folder, progress)
    if not runs.is_finished(run_folder, config):
        shown = slice(0, min(8, len(samples)))
        plot_images(
            run_folder / "images.png",
            {name: pictures[shown] for name, pictures in images.items()},
            [sample.prompt for sample in samples[shown]],
        )
        runs.mark_finished(run_folder, config)
    table = with_both_ends(pd.read_csv(run_folder / "scores.csv"), steps)
    prompts = config.dataset["limit"]
    caption = (
        f"{TITLE}. Pair {config.pair.name}, {prompts} held-out prompts of {config.dataset['name']}, {steps} steps, "
        f"seed {config.seed}; FID and CLIP score by the pair's own judge, not comparable with the paper's. "
        f"Run: runs/{run_folder.name}."
    )
    write_table(table, folder / "figure3", caption=caption)
    plot_sweep(pd.read_csv(folder / "figure3.csv"), folder / "figure3.png", columns=PANELS, title=TITLE)
    return f"{caption}\n\n{finding(table)}"


def with_both_ends(scores: pd.DataFrame, steps: int) -> pd.DataFrame:
    """The sweep's rows, with device-only (0 %) and cloud-only (100 %) listed in both orders."""
    rows = scores[scores["k"].notna()].copy()
    ends = rows[rows["k"].isin((0, steps))].assign(order="client_first")
    table = pd.concat([rows, ends], ignore_index=True)
    table["cloud_share"] = (table["k"] / steps).round(4)
    table["k"] = table["k"].astype(int)
    first = ["order", "k", "cloud_share"]
    rest = [column for column in table.columns if column not in (*first, "method", "n")]
    return table.sort_values(["order", "k"], ascending=[False, True])[first + rest]


def finding(table: pd.DataFrame) -> str:
    """One sentence computed from the table: at which shares server-first has the lower FID."""
    fids = table.pivot(index="cloud_share", columns="order", values="fid")
    inner = fids[(fids.index > 0) & (fids.index < 1)]
    better = [f"{share:.0%}" for share, row in inner.iterrows() if row["server_first"] < row["client_first"]]
    early = inner[inner.index <= 0.4]
    holds = bool((early["server_first"] < early["client_first"]).all())
    return (
        f"Server-first has the lower FID at {', '.join(better) or 'no share'} of the steps on the cloud. "
        f"The paper finds this at 0-40 %; on this pair that {'holds' if holds else 'does not hold'}.{_overlap(table)}"
    )


def _overlap(table: pd.DataFrame) -> str:
    """At which shares the 95 % intervals of the two orders overlap, so that their FIDs cannot be told apart."""
    if "fid_low" not in table:
        return ""
    low, high = (table.pivot(index="cloud_share", columns="order", values=f"fid_{end}") for end in ("low", "high"))
    apart = (low.max(axis=1) > high.min(axis=1)) & (low.index > 0) & (low.index < 1)
    shares = [f"{share:.0%}" for share in low.index[apart]]
    return f" Their 95 % intervals (over prompts) are apart at {', '.join(shares) or 'no share'}."
