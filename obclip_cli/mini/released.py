"""Go on from the weights in the package, where the build folder with its checkpoints is gone."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.resources import package_folder


def adopt(build: Path) -> None:
    """Take tokenizer, autoencoder and judge over as finished, and the cloud model as a start for more training.

    Raises:
        FileNotFoundError: the package holds no weights.
    """
    weights = package_folder() / "mini" / "weights"
    if not (weights / "mini-cloud").exists():
        raise FileNotFoundError(f"{weights} holds no released weights; train from nothing instead")
    pipeline = StableDiffusionPipeline.from_pretrained(weights / "mini-cloud", dtype=torch.float32, safety_checker=None)
    pipeline.tokenizer.save_pretrained(build / "tokenizer")
    pipeline.vae.save_pretrained(build / "models" / "vae")
    shutil.copytree(weights / "judge", build / "models" / "judge", dirs_exist_ok=True)
    start = start_of_cloud(build / "cloud")
    pipeline.unet.save_pretrained(start / "unet")
    pipeline.text_encoder.save_pretrained(start / "text_encoder")
    shutil.copyfile(training_record() / "cloud.json", start / "progress.json")


def training_record() -> Path:
    """Where the package keeps each stage's progress and loss curve."""
    return package_folder() / "mini" / "training_record"


def keep_record(build: Path, stages: Iterable[str]) -> None:
    """Put every stage's progress and curve into the package; what went before an adopted start is added."""
    record = training_record()
    record.mkdir(exist_ok=True)
    for stage in stages:
        if not (build / stage / "progress.json").exists():  # adopted from the package as it was
            continue
        done = json.loads((build / stage / "progress.json").read_text())
        before = build / stage / "start" / "progress.json"
        if before.exists():
            done = {key: value + json.loads(before.read_text())[key] for key, value in done.items()}
        (record / f"{stage}.json").write_text(json.dumps(done) + "\n")
        shutil.copyfile(build / stage / "loss.png", record / f"{stage}.png")


def start_of_cloud(folder: Path) -> Path:
    """Where the cloud's training looks for weights to begin with."""
    return folder / "start"
