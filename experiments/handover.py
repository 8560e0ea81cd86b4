"""Hand-over: bytes, distances to the cloud's own images, and what a shipped history changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.cost.profile import architecture_of, latent_bytes
from obclip_cli.evaluation.blocks import Block, blocks_of, settings_of
from obclip_cli.evaluation.contrasts import difference
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.report.bars import plot_scores
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.experiment import write_results
from obclip_cli.reproduction.score_table import facts, interval_columns, score

AGAINST = "fid_difference"
DISTANCES = "distances.csv"
PANELS = {"fid": "FID ↓", "clip": "CLIP score ↑", "psnr_to_cloud": "PSNR to cloud-only (dB) ↑"}
COSTS = {"cloud_tmac": "cloud, T multiply-accumulates", "bytes_down": "bytes down, a candidate"}


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `handover.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption."""

    def measure_distances(place: Path, images: Mapping[str, StoredImages], _: Any) -> None:
        runs.write_text(place / DISTANCES, distances_to_cloud(images).to_csv(index=False))

    (block,) = blocks_of(config)
    found = score(block, folder, progress, measure_distances)
    told = ["method", "k", "acceleration", "run", "cloud_share", "cloud_tmac", "device_tmac", "n"]
    scores = found.table.drop(columns=[c for c in found.table if c in told or str(c).startswith("ssim")])
    table = _costs(block, found.table)
    if not found.missing:
        for part in (runs.read_table(found.run / DISTANCES), _differences(block, found.run)):
            table = table.merge(part, on="method", how="left")
        table = pd.concat([table, scores], axis=1)
    caption = write_results(config, folder, table, found.run, *facts([found], [block]))
    stored = pd.read_csv(folder / "handover.csv")
    hybrids, panels = stored[stored["handover"].notna()], COSTS if found.missing else PANELS
    plot_scores(hybrids, folder / "handover.png", columns=panels, title=settings_of(config)["title"])
    return caption


def _costs(block: Block, counted: pd.DataFrame) -> pd.DataFrame:
    """What each method computes, and what goes down for one candidate."""
    latent = latent_bytes(architecture_of(block.config.pair.cloud).unet, block.config.pair.dtype)
    down = [0 if m.name == DEVICE_ONLY else latent * (2 if m.handover == "history" else 1) for m in block.methods]
    return pd.DataFrame(
        {
            "method": [m.name for m in block.methods],
            "handover": [row.run.handover if row.k is not None else None for row in block.rows],
            "k": [m.switch_point for m in block.methods],
            "cloud_tmac": counted["cloud_tmac"],
            "device_tmac": counted["device_tmac"],
            "bytes_down": down,
        }
    )


def _differences(block: Block, place: Path) -> pd.DataFrame:
    """What `history` changes in FID against `restart` at the same k, in its rows."""
    shipped = [
        {"method": row.run.name}
        | interval_columns(AGAINST, difference(place, "fid", row.run.name, f"restart, k={row.k}"))
        for row in block.rows
        if row.name == "history"
    ]
    return pd.DataFrame(shipped, columns=["method", AGAINST, f"{AGAINST}_low", f"{AGAINST}_high"])


def distances_to_cloud(images: Mapping[str, torch.Tensor | StoredImages]) -> pd.DataFrame:
    """Mean PSNR, in dB, of each method's images to those of the large model alone from the same noise."""
    target = images[CLOUD_ONLY][:].float()
    rows: list[dict[str, Any]] = [{"method": CLOUD_ONLY}]
    for name in [name for name in images if name != CLOUD_ONLY]:
        psnr = peak_signal_noise_ratio(images[name][:].float(), target, data_range=255.0, dim=(1, 2, 3))
        rows.append({"method": name, "psnr_to_cloud": round(float(psnr), 3)})
    return pd.DataFrame(rows)
