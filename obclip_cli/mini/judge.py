"""Train the judge of the embedded pair: a small OpenCLIP model with linear heads for gender, tone and role.

The judge gives the FID features, the CLIP score and the attribute accuracy on `mini`. It never sees
held-out art, nor any generated image, in training.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import torch
from safetensors.torch import save_model
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from torchvision.transforms.v2 import functional as vision
from transformers import CLIPTokenizer

from obclip_cli.mini.art import arts_of
from obclip_cli.mini.autoencoder import to_tensor
from obclip_cli.mini.captions import MAX_TOKENS, tokenize, wordings
from obclip_cli.mini.training import Losses, Recipe, Training, choose, compute_device

RECIPE = Recipe(steps=1800, batch_size=96, learning_rate=2e-3, weight_decay=0.05, ema_decay=0.998)
PEOPLE_SHARE = 0.8
EMBED_DIM = 128
HEADS = ("gender", "tone", "role")
PREPROCESS = {"size": 64, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}


def model_config(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    """The judge as OpenCLIP describes models: a small ResNet and a two-layer text transformer."""
    return {
        "embed_dim": EMBED_DIM,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 2, 1], "width": 16, "head_width": 64, "patch_size": None},
        "text_cfg": {
            "context_length": MAX_TOKENS,
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": "local",
            "width": 128,
            "heads": 4,
            "layers": 2,
            "pool_type": "eos",
            "eos_id": tokenizer.eos_token_id,
        },
    }


@dataclass(frozen=True)
class Labels:
    """Class names of every head, and each picture's class (-1: the art does not say)."""

    names: dict[str, list[str]]
    classes: dict[str, torch.Tensor]

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Labels":
        said = table[list(HEADS)].where(table["category"] == "person", "")
        names = {head: sorted(set(said[head]) - {""}) for head in HEADS}
        codes = {head: pd.Categorical(said[head], categories=names[head]).codes for head in HEADS}
        return cls(names, {head: torch.tensor(classes, dtype=torch.long) for head, classes in codes.items()})


class JudgeInTraining(nn.Module):
    """An OpenCLIP model and linear heads on its image features."""

    def __init__(self, clip: open_clip.CLIP, classes: dict[str, int]) -> None:
        super().__init__()
        self.clip = clip
        self.heads = nn.ModuleDict({name: nn.Linear(EMBED_DIM, count) for name, count in classes.items()})


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Small shifts, blur and noise, so that the judge looks at the picture and not at its sharpness."""
    shift = torch.randint(0, 7, (2,), generator=generator).tolist()
    padded = F.pad(images, (3, 3, 3, 3), value=1.0)
    images = padded[:, :, shift[0] : shift[0] + 64, shift[1] : shift[1] + 64]
    sigma = 0.1 + torch.rand(1, generator=generator).item()
    images = vision.gaussian_blur(images, [5, 5], [sigma, sigma])
    noise = torch.randn(images.shape, generator=generator)
    return images + 0.1 * torch.rand(1, generator=generator) * noise


def train(
    images: np.ndarray, table: pd.DataFrame, tokenizer: CLIPTokenizer, folder: Path, recipe: Recipe = RECIPE
) -> tuple[JudgeInTraining, Labels] | None:
    """Train on everything that is not held out; None if stopped before the end."""
    torch.manual_seed(recipe.seed)
    labels = Labels.of(table)
    config = model_config(tokenizer)
    clip = open_clip.CLIP(**config)
    clip.visual.to(memory_format=torch.channels_last)
    judge = JudgeInTraining(clip, {name: len(classes) for name, classes in labels.names.items()})
    contrastive, device = open_clip.ClipLoss(), compute_device()
    seen = torch.from_numpy((~table["held_out"]).to_numpy(copy=True))
    person = torch.from_numpy((table["category"] == "person").to_numpy(copy=True))
    people, others = (seen & person).nonzero().flatten(), (seen & ~person).nonzero().flatten()
    texts = [wordings(picture) for picture in arts_of(table)]

    def loss(generator: torch.Generator) -> Losses:
        count = round(recipe.share * PEOPLE_SHARE)
        rows = torch.cat([choose(people, count, generator), choose(others, recipe.share - count, generator)])
        picks = torch.randint(1_000_000, (len(rows),), generator=generator).tolist()
        captions = [texts[row][pick % len(texts[row])] for row, pick in zip(rows.tolist(), picks, strict=True)]
        changed = augment(to_tensor(images[rows.numpy()]), generator).contiguous(memory_format=torch.channels_last)
        features = judge.clip.encode_image(changed.to(device), normalize=True)
        text_features = judge.clip.encode_text(tokenize(tokenizer, captions).to(device), normalize=True)
        losses = {"contrastive": contrastive(features, text_features, judge.clip.logit_scale.exp().clamp(max=100))}
        for name, head in judge.heads.items():
            wanted = labels.classes[name][rows].to(device)
            losses[name] = F.cross_entropy(head(10 * features), wanted, ignore_index=-1)
        return losses

    training = Training("judge", judge, recipe, folder, loss)
    if not training.run():
        return None
    training.use_average()
    # The averaged weights never ran in training mode: BatchNorm's statistics are fitted to them.
    generator = torch.Generator().manual_seed(0)
    update_bn((to_tensor(images[choose(people, 128, generator).numpy()]) for _ in range(20)), judge.cpu().clip.visual)
    return judge, labels


def save(judge: JudgeInTraining, labels: Labels, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a folder that `open_clip.create_model("local-dir:...")` loads, the heads beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_config(tokenizer), "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    halved = copy.deepcopy(judge).half()
    save_model(halved.clip, str(folder / "open_clip_model.safetensors"))
    save_model(halved.heads, str(folder / "heads.safetensors"))
    (folder / "labels.json").write_text(json.dumps(labels.names, indent=1) + "\n")
    tokenizer.save_pretrained(folder)
