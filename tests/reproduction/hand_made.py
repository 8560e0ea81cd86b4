"""A finished run with figures of one's own, and an experiment that it belongs to."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import blocks_of

IMAGES = 200
NAMES = (
    "cloud-only",
    "device-only",
    "vanilla OG",
    "Hybrid SD, k=10",
    "ObCLIP, k=10",
    "ObCLIP, k=10, cache",
    "ObCLIP, k=10, cache+reuse",
)
FIDS = dict(zip(NAMES, (10.0, 20.0, 10.0, 12.0, 12.0, 12.5, 12.6), strict=True))
CLIPS = dict(zip(NAMES, (0.8, 0.6, 0.8, 0.75, 0.75, 0.74, 0.74), strict=True))
METHODS = [*NAMES[:3], {"k": [10], "use": ["Hybrid SD", "ObCLIP", "ObCLIP, cache", "ObCLIP, cache+reuse"]}]


def experiment(*tests: dict[str, Any], folder: Path, **run: Any) -> Config:
    """An experiment with one claim of these tests beside the paper's Table 2, whose run lies in `folder`."""
    paper = {"table": 2, "where": {"N": [2]}, "label": "N=2"}
    claim = {"says": "A claim.", "source": "Table 2", "tests": list(tests)}
    settings = {"name": "made", "title": "Made", "methods": METHODS, "blocks": [{"paper": paper}], "claims": [claim]}
    config = replace(compose_config(["dataset=emoji_portraits", "dataset.attributes=1"]), experiment=settings)
    write_run(blocks_of(config)[0].run(folder), **run)
    return config


def write_run(
    run: Path,
    *,
    fids: Mapping[str, float] = FIDS,
    clips: Mapping[str, float] = CLIPS,
    lost: int = 0,
    spread: float = 0.1,
) -> Path:
    """A run folder with 200 images a method.

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
    results = pd.DataFrame(
        [
            {"method": name, "seed": seed, "clip": clip + wobble[seed] * clip, "gender": 1.0}
            for name, clip in clips.items()
            for seed in range(IMAGES)
        ]
    )
    results.loc[(results["method"] == NAMES[-1]) & (results["seed"] < lost), "gender"] = 0.0
    results.to_csv(run / "results.csv", index=False)
    table = pd.DataFrame({"method": NAMES, "fid": fids.values(), "clip": clips.values(), "gender": 1.0})
    table.to_csv(run / "scores.csv", index=False)
    return run
