"""Blocks with figures of one's own, and the run folder that intervals are made from."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.reproduction.quality_table import Block

IMAGES = 200
KEYS = {
    "cloud-only": ("cloud-only", None, ""),
    "device-only": ("device-only", None, ""),
    "vanilla OG": ("vanilla OG", None, ""),
    "Hybrid SD, k=10": ("Hybrid SD", 10, ""),
    "ObCLIP, k=10": ("ObCLIP", 10, ""),
    "ObCLIP, k=10, cache": ("ObCLIP", 10, "cache"),
    "ObCLIP, k=10, cache+reuse": ("ObCLIP", 10, "cache+reuse"),
}
FIDS = dict(zip(KEYS, (10.0, 20.0, 10.0, 12.0, 12.0, 12.5, 12.6), strict=True))
CLIPS = dict(zip(KEYS, (0.8, 0.6, 0.8, 0.75, 0.75, 0.74, 0.74), strict=True))
SHARES = dict(zip(KEYS, (1.0, 0.0, 2.0, 0.4, 0.8, 0.64, 0.62), strict=True))


def hand_made_block(
    run: Path,
    *,
    fids: Mapping[str, float] = FIDS,
    clips: Mapping[str, float] = CLIPS,
    shares: Mapping[str, float] = SHARES,
    lost: int = 0,
    spread: float = 0.1,
    label: str = "N=2",
) -> Block:
    """A block whose run has 200 images a method.

    Args:
        lost: images with the wrong gender, of cache+reuse only.
        spread: standard deviation of each method's own FID draws.
    """
    rng = np.random.default_rng(0)
    run.mkdir(parents=True)
    draws = {name: (fid + rng.normal(0, spread, 1000)).tolist() for name, fid in fids.items()}
    metrics = {name: {"fid": {"value": fid, "draws": draws[name]}} for name, fid in fids.items()}
    (run / "metrics.json").write_text(json.dumps({"methods": metrics}))
    wobble = np.linspace(-0.01, 0.01, IMAGES)
    rows = [
        {"method": name, "seed": seed, "clip": clip + wobble[seed] * clip, "gender": 1.0}
        for name, clip in clips.items()
        for seed in range(IMAGES)
    ]
    results = pd.DataFrame(rows)
    results.loc[(results["method"] == "ObCLIP, k=10, cache+reuse") & (results["seed"] < lost), "gender"] = 0.0
    results.to_csv(run / "results.csv", index=False)
    right = results.groupby("method")["gender"].mean()
    table = pd.DataFrame(
        [
            {"name": name, "method": method, "k": k, "acceleration": acceleration, "fid": fids[name]}
            | {"clip": clips[name], "gender": right[name], "cloud_share": shares[name], "cloud_tmac": shares[name]}
            | {"fid_paper": 100 + fids[name], "clip_paper": clips[name], "is_paper": 5.0}
            | {"cloud_tmac_paper": 18.5 * shares[name], "cloud_share_paper": shares[name]}
            for name, (method, k, acceleration) in KEYS.items()
        ]
    )
    table["k"] = table["k"].astype("Int64")
    named = {"block": label, "paper_block": label, "run_folder": run.name}
    return Block(label, label, table.assign(**named), run)
