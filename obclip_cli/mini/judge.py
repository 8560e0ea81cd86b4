"""Train the judge of the embedded pair: a small OpenCLIP model with linear heads for gender, tone and role.

The judge gives the FID features, the CLIP score and the attribute accuracy on `mini`. It never sees
held-out art, nor any generated image, in training.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as vision
from transformers import CLIPTokenizer

from obclip_cli.mini.art import arts_of
from obclip_cli.mini.captions import MAX_TOKENS, tokenize, wordings
from obclip_cli.mini.training import Losses, Recipe, Training, autocast, choose, compute_device

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
        names, classes = {}, {}
        people = table[table["category"] == "person"]
        for head in HEADS:
            known = sorted(set(people[head]) - {""})
            names[head] = known
            places = {name: place for place, name in enumerate(known)}
            column = table[head].where(table["category"] == "person", "")
            classes[head] = torch.tensor([places.get(value, -1) for value in column])
        return cls(names, classes)


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
        pixels = torch.from_numpy(images[rows.numpy()]).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        changed = augment(pixels, generator).contiguous(memory_format=torch.channels_last)
        with autocast(device):
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
    judge.cpu()
    recompute_batch_statistics(judge, images, people)
    return judge, labels


@torch.no_grad()
def recompute_batch_statistics(judge: JudgeInTraining, images: np.ndarray, rows: torch.Tensor) -> None:
    """Fit the BatchNorm statistics to the averaged weights, which never ran in training mode."""
    norms = [module for module in judge.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    judge.train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        picked = images[choose(rows, 128, generator).numpy()]
        judge.clip.encode_image(torch.from_numpy(picked).permute(0, 3, 1, 2).float().div(127.5).sub(1))
    judge.eval()


def save(judge: JudgeInTraining, labels: Labels, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a folder that `open_clip.create_model("local-dir:...")` loads, the heads beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_config(tokenizer), "preprocess_cfg": PREPROCESS}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(_half(judge.clip.state_dict()), folder / "open_clip_model.safetensors")
    save_file(_half(judge.heads.state_dict()), folder / "heads.safetensors")
    (folder / "labels.json").write_text(json.dumps(labels.names, indent=1) + "\n")
    tokenizer.save_pretrained(folder)


def _half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: (v.half() if v.is_floating_point() else v).contiguous().clone() for k, v in state.items()}
