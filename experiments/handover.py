"""Hand-over of the solver at the switch point: restart it on the device, or ship its history (twice the bytes down).

DPM-Solver++ of order 2 extrapolates from the step before. The paper does not say what its device does; Hybrid SD's
code lets one scheduler serve both models, which only `history` can do between two machines. So the paper claims
nothing that this could test.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from obclip_cli import runs
from obclip_cli.config import HANDOVERS, Config
from obclip_cli.cost.profile import architecture_of, latent_bytes
from obclip_cli.evaluation.contrasts import difference
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.report.plots import plot_scores
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.claims import in_words
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.scoreboard import costs, what_is_missing
from obclip_cli.reproduction.seeds import columns, estimate_of
from obclip_cli.reproduction.switch_points import default_split
from obclip_cli.runs import read_table

TITLE = "Hand-over: restart the solver, or ship its history"
SWITCH_POINTS = (5, 10, 15)
CLOUD_ONLY, DEVICE_ONLY = "cloud-only", "device-only"
AGAINST = "fid_difference"
PANELS = {"fid": "FID ↓", "clip": "CLIP score ↑", "psnr_to_cloud": "PSNR to cloud-only (dB) ↑"}
COSTS = {"cloud_tmac": "cloud, T multiply-accumulates", "bytes_down": "bytes down, a candidate"}


def overrides(pair: str) -> list[str]:
    """The pair's captions."""
    return [*captions(pair, limit_on_mini=80), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """One run."""
    return [Planned(config, methods(config))]


def methods(config: Config) -> list[Method]:
    """Both ways at every switch point, and each model alone to compare with.

    Only DPM-Solver++ on one schedule has a history that can be shipped.
    """
    pair, shift = config.pair, config.hybrid.timestep_shift
    steps = pair.cloud.steps or config.hybrid.steps
    ways = HANDOVERS if {pair.cloud.scheduler, pair.device.scheduler} == {"dpm_solver"} else HANDOVERS[:1]
    hybrids = [
        Method(f"{handover}, k={k}", "server_first", k, handover=handover, timestep_shift=shift)
        for k in SWITCH_POINTS
        if k < steps
        for handover in ways
    ]
    alone = [Method(CLOUD_ONLY, "server_first", steps), Method(DEVICE_ONLY, "server_first", 0)]
    return [*alone, *hybrids]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `handover.csv`, `.md`, `.tex`, `.png` and the run behind them; return what it shows."""
    ways, missing = methods(config), what_is_missing(config)
    table = pd.DataFrame([_described(config, way) for way in ways])
    if missing:
        run_folder = folder / "runs" / f"handover-costs-{config.pair.name}"
        runs.start(run_folder, config)
    else:
        run_folder = folder / "runs" / f"handover-{run_name(config, ways)}"
        _, images, _ = run_benchmark(config, ways, run_folder, progress)
        if not runs.is_finished(run_folder, config):
            runs.write_text(run_folder / "distances.csv", distances_to_cloud(images).to_csv(index=False))
            runs.mark_finished(run_folder, config)
        table = _with_scores(table, run_folder)
    caption = _caption(config, run_folder, missing)
    write_table(table, folder / "handover", caption=caption)
    stored = pd.read_csv(folder / "handover.csv")
    panels = COSTS if missing else PANELS
    hybrids = stored[stored["handover"].notna()]
    plot_scores(hybrids, folder / "handover.png", columns=panels, title=TITLE)
    return f"{caption}\n\n{finding(stored)}"


def _described(config: Config, method: Method) -> dict[str, object]:
    """A method and its costs of one image; bytes are of one candidate."""
    found = costs(config, method, 1)
    latent = latent_bytes(architecture_of(config.pair.cloud).unet, config.pair.dtype)
    alone = method.name in (CLOUD_ONLY, DEVICE_ONLY)
    return {
        "method": method.name,
        "handover": None if alone else method.handover,
        "k": method.switch_point,
        "cloud_tmac": float(f"{found['cloud_tmac']:.4g}"),
        "device_tmac": float(f"{found['device_tmac']:.4g}"),
        "bytes_down": 0 if method.name == DEVICE_ONLY else latent * (2 if method.handover == "history" else 1),
    }


def _with_scores(table: pd.DataFrame, run_folder: Path) -> pd.DataFrame:
    """Scores, distances, and what `history` changes in FID against `restart` at the same k, in its rows."""
    unwanted = ["order", "k", "cache", "n", "cloud_gmacs", "device_gmacs", "ssim", "ssim_low", "ssim_high"]
    scores = read_table(run_folder / "scores.csv").drop(columns=unwanted)
    shipped = [
        {"method": row.method} | columns(AGAINST, difference(run_folder, "fid", str(row.method), f"restart, k={row.k}"))
        for row in table.itertuples()
        if row.handover == "history"
    ]
    names = ["method", AGAINST, f"{AGAINST}_low", f"{AGAINST}_high"]
    parts = [read_table(run_folder / "distances.csv"), pd.DataFrame(shipped, columns=names), scores]
    for part in parts:
        table = table.merge(part, on="method", how="left")
    return table


def _caption(config: Config, run_folder: Path, missing: str) -> str:
    counted = (
        "Multiply-accumulates and bytes of one image and candidate, counted on the architectures; vanilla OG makes "
        f"cloud-only's images at N times the cost, and restart is Hybrid SD. Run: runs/{run_folder.name}."
    )
    if missing:
        return (
            f"{TITLE}. Pair {config.pair.name}, {config.hybrid.steps} steps. Nothing was scored: {missing}. {counted}"
        )
    small = "Scores by the small pair's own judge: only trends count. " if config.pair.judge else ""
    return (
        f"{TITLE}. Pair {config.pair.name}, {config.dataset.get('limit') or 'all'} held-out prompts of "
        f"{config.dataset['name']}, {config.hybrid.steps} steps, seed {config.seed}. Intervals are of 95 %, over "
        f"prompts; `{AGAINST}`: history minus restart, of pairs. The paper has no such table. {small}{counted}"
    )


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
    if AGAINST not in table:
        return "Costs only: shipping the history takes twice the bytes down."
    shipped = table[table[AGAINST].notna()]
    psnr = table[table["handover"].notna()].pivot(index="k", columns="handover", values="psnr_to_cloud")
    gain = psnr["history"] - psnr["restart"]
    found = {int(row["k"]): estimate_of(row, AGAINST) for _, row in shipped.iterrows()}
    parts = [f"k={k}: FID {in_words(value)}, PSNR to cloud-only {gain[k]:+.2f} dB" for k, value in found.items()]
    lower, higher = (sum(told) for told in zip(*((v.high < 0, v.low > 0) for v in found.values()), strict=True))
    return (
        f"Shipping the history instead of restarting changes: {'; '.join(parts)}. It has the lower FID at {lower} of "
        f"{len(found)} switch points and the higher at {higher}; elsewhere the two cannot be told apart. It takes "
        "twice the bytes down."
    )
