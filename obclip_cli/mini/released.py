"""The weights in the package: training resumes from them, and what it made takes their place."""

import copy
import io
import json
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from obclip_cli.mini.art import arts_of
from obclip_cli.mini.captions import prompt
from obclip_cli.mini.diffusion_training import NOISE
from obclip_cli.mini.training import start_of
from obclip_cli.resources import package_folder


def adopt(build: Path) -> None:
    """Take tokenizer and autoencoder over as finished, cloud and device model as starts for more training.

    The judge is made anew, which is cheap.

    Raises:
        FileNotFoundError: the package holds no weights.
    """
    weights = package_folder() / "mini" / "weights"
    if not (weights / "mini-cloud").exists():
        raise FileNotFoundError(f"{weights} holds no released weights; train from nothing instead")
    pipeline = StableDiffusionPipeline.from_pretrained(weights / "mini-cloud", dtype=torch.float32, safety_checker=None)
    pipeline.tokenizer.save_pretrained(build / "tokenizer")
    pipeline.vae.save_pretrained(build / "models" / "autoencoder")
    start = start_of(build / "cloud")
    pipeline.unet.save_pretrained(start / "unet")
    pipeline.text_encoder.save_pretrained(start / "text_encoder")
    device = UNet2DConditionModel.from_pretrained(weights / "mini-device" / "unet", dtype=torch.float32)
    device.save_pretrained(start_of(build / "device"))
    for stage in ("decoder", "cloud", "device"):
        if (before := training_record() / f"{stage}.json").exists():  # the first release had no stage of the decoder
            start_of(build / stage).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(before, start_of(build / stage) / "progress.json")


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
        before = start_of(build / stage) / "progress.json"
        if before.exists():
            done = {key: value + json.loads(before.read_text())[key] for key, value in done.items()}
        (record / f"{stage}.json").write_text(json.dumps(done) + "\n")
        shutil.copyfile(build / stage / "loss.png", record / f"{stage}.png")


def save_pipeline(
    folder: Path, unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer
) -> None:
    """Write a stock pipeline in fp16 safetensors, which `StableDiffusionPipeline.from_pretrained` loads."""
    StableDiffusionPipeline(
        vae=copy.deepcopy(vae).half(),
        text_encoder=copy.deepcopy(text_encoder).half(),
        tokenizer=tokenizer,
        unet=copy.deepcopy(unet).half(),
        scheduler=DPMSolverMultistepScheduler(**NOISE, algorithm_type="dpmsolver++", solver_order=2),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def write_reference(folder: Path, table: pd.DataFrame, images: np.ndarray) -> None:
    """Write held-out people of a stated gender as `images.zip` (PNG) and `captions.csv`, one row an image."""
    write_people(folder, table, images, (table["held_out"] & (table["gender"] != "")).to_numpy())


def write_seen_reference(folder: Path, table: pd.DataFrame, images: np.ndarray) -> None:
    """The same of people for whom no art is held out, or too little: without a skin tone, and children and the old."""
    people = (table["category"] == "person") & (table["gender"] != "") & ~table["held_out"]
    untoned, grown = table["tone"] == "", table["age"] == "adult"
    write_people(folder, table, images, (people & (untoned == grown)).to_numpy())


def write_people(folder: Path, table: pd.DataFrame, images: np.ndarray, chosen: np.ndarray) -> None:
    """Write the people of the chosen rows (n,) as `images.zip` (PNG) and `captions.csv`, one row an image."""
    folder.mkdir(parents=True, exist_ok=True)
    people = table[chosen]
    described = people[["role", "gender", "age", "tone", "style"]].copy()
    described.insert(0, "file", people["style"] + "-" + people["hexcode"] + ".png")
    described.insert(1, "caption", [prompt(art) for art in arts_of(people)])
    described.to_csv(folder / "captions.csv", index=False)
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, picture in zip(described["file"], images[chosen], strict=True):
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, format="png", optimize=True)
            archive.writestr(zipfile.ZipInfo(name), buffer.getvalue())
