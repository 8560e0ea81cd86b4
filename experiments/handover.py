"""Hand-over of the solver at the switch point: restart it on the device, or ship its history (twice the bytes down).

DPM-Solver++ of order 2 extrapolates from the step before. The paper does not say what its device does; Hybrid SD's
code lets one scheduler serve both models, which only `history` can do between two machines.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from obclip_cli import runs
from obclip_cli.benchmark import ProgressBar, run_benchmark, run_name
from obclip_cli.config import HANDOVERS, Config
from obclip_cli.evaluation import Method
from obclip_cli.images import StoredImages
from obclip_cli.report.plots import plot_scores
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.datasets import captions

TITLE = "Hand-over: restart the solver, or ship its history"
SWITCH_POINTS = (5, 10, 15)
CLOUD_ONLY = "cloud-only"
PANELS = {"fid": "FID (judge) ↓", "clip": "CLIP score (judge) ↑", "psnr_to_cloud": "PSNR to cloud-only (dB) ↑"}


def overrides(pair: str) -> list[str]:
    """The pair's captions."""
    return captions(pair, limit_on_mini=150)


def methods(steps: int) -> list[Method]:
    """Both ways at every switch point, and the large model alone to compare with."""
    hybrids = [
        Method(f"{handover}, k={k}", "server_first", k, handover=handover)
        for k in SWITCH_POINTS
        if k < steps
        for handover in HANDOVERS
    ]
    return [Method(CLOUD_ONLY, "server_first", steps), *hybrids]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `handover.csv`, `.md`, `.png` and the run behind them; return what it shows."""
    ways = methods(config.hybrid.steps)
    run_folder = folder / "runs" / f"handover-{run_name(config, ways)}"
    _, images, _ = run_benchmark(config, ways, run_folder, progress)
    if not runs.is_finished(run_folder, config):
        runs.write_text(run_folder / "distances.csv", distances_to_cloud(images).to_csv(index=False))
        runs.mark_finished(run_folder, config)
    scores = pd.read_csv(run_folder / "scores.csv")
    table = scores[scores["k"].notna()].merge(pd.read_csv(run_folder / "distances.csv"), on="method")
    table["handover"] = table["method"].str.partition(",")[0].where(table["method"] != CLOUD_ONLY)
    table["k"] = table["k"].astype(int)
    table = table[["method", "handover", "k", "psnr_to_cloud", "fid", "is", "clip", "gender", "tone", "role_top3"]]
    caption = (
        f"{TITLE}. Pair {config.pair.name}, {config.dataset['limit']} held-out prompts of {config.dataset['name']}, "
        f"{config.hybrid.steps} steps, seed {config.seed}; scores by the pair's own judge. Run: "
        f"runs/{run_folder.name}."
    )
    write_table(table, folder / "handover", caption=caption)
    plot_scores(pd.read_csv(folder / "handover.csv").dropna(), folder / "handover.png", columns=PANELS, title=TITLE)
    return f"{caption}\n\n{finding(table)}"


def distances_to_cloud(images: Mapping[str, torch.Tensor | StoredImages]) -> pd.DataFrame:
    """Mean PSNR, in dB, of each method's images to those of the large model alone from the same noise."""
    target = images[CLOUD_ONLY][:].float()
    rows = [
        {"method": name, "psnr_to_cloud": round(float(_psnr(pictures[:].float(), target)), 3)}
        for name, pictures in images.items()
        if name != CLOUD_ONLY
    ]
    return pd.DataFrame([{"method": CLOUD_ONLY}, *rows])


def _psnr(images: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return peak_signal_noise_ratio(images, target, data_range=255.0, reduction="elementwise_mean", dim=(1, 2, 3))


def finding(table: pd.DataFrame) -> str:
    """Which way is better at each switch point, computed from the table."""
    hybrids = table[table["handover"].notna()]
    change = {
        column: wide["history"] - wide["restart"]
        for column in ("fid", "psnr_to_cloud")
        for wide in [hybrids.pivot(index="k", columns="handover", values=column)]
    }
    parts = [
        f"k={k}: FID {fid:+.3f}, PSNR to cloud-only {psnr:+.2f} dB"
        for k, fid, psnr in zip(change["fid"].index, change["fid"], change["psnr_to_cloud"], strict=True)
    ]
    wins, points = int((change["fid"] < 0).sum()), len(change["fid"])
    return (
        f"Shipping the history instead of restarting changes: {'; '.join(parts)}. It has the lower FID at {wins} of "
        f"{points} switch points, for twice the bytes down."
    )
