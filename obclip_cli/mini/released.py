"""Go on from the weights in the package, where the build folder with its checkpoints is gone."""

import shutil
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


def start_of_cloud(folder: Path) -> Path:
    """Where the cloud's training looks for weights to begin with."""
    return folder / "start"
