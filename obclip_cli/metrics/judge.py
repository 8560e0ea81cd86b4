"""The judge: an OpenCLIP model that gives features, text embeddings and, on `mini`, attributes."""

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms.v2 import functional as vision

from obclip_cli.errors import UserError
from obclip_cli.metrics.features import Features
from obclip_cli.resources import resolve
from obclip_cli.runs import weights_digest

CLASSES = "role"  # the head whose classes the inception score is taken over
SCALE = 10  # unit features are spread too little for the heads, and for readable distances


class Judge(nn.Module):
    """Image features, text features and linear attribute heads of one OpenCLIP folder.

    Args:
        path: `package:NAME` or a folder with `open_clip_config.json`, weights, tokenizer and, where it
            has heads, `heads.safetensors` with `labels.json`.

    Raises:
        UserError: the folder is missing or broken.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        folder = Path(resolve(path))
        if not (folder / "open_clip_config.json").exists():
            raise UserError(f"no judge in {path}; set pair.judge to a folder with open_clip_config.json")
        try:
            self.clip = open_clip.create_model(f"local-dir:{folder}").eval()
            self.tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
            self.labels, self.heads = self._read_heads(folder)
        except Exception as error:
            raise UserError(f"the judge in {path} cannot be read ({str(error).splitlines()[0][:160]})") from error
        preprocess = json.loads((folder / "open_clip_config.json").read_text())["preprocess_cfg"]
        self.size, self.mean, self.std = preprocess["size"], preprocess["mean"], preprocess["std"]
        self.features_by = self.clip_by = self.attributes_by = f"the judge {path}"
        self.features_digest = weights_digest(folder)

    @staticmethod
    def _read_heads(folder: Path) -> tuple[dict[str, list[str]], nn.ModuleDict]:
        if not (folder / "labels.json").exists():
            return {}, nn.ModuleDict()
        labels: dict[str, list[str]] = json.loads((folder / "labels.json").read_text())
        weights = load_file(folder / "heads.safetensors")
        width = weights[f"{next(iter(labels))}.weight"].shape[1]
        heads = nn.ModuleDict({name: nn.Linear(width, len(classes)) for name, classes in labels.items()})
        heads.load_state_dict({key: value.float() for key, value in weights.items()})
        return labels, heads.eval()

    def extract(self, images: torch.Tensor) -> Features:
        """Features of uint8 images (n, 3, H, W); the pooled ones are the embeddings times 10."""
        embeddings = self(images.to(self._device))
        logits = {head: self.logits(head, embeddings).cpu() for head in self.labels}
        embeddings = embeddings.cpu()
        classes = logits.get(CLASSES, embeddings.new_empty(len(embeddings), 0))
        return Features(SCALE * embeddings, classes, embeddings, logits)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Unit-length features (n, d) of uint8 images (n, 3, H, W), resized to the judge's own size."""
        pixels = images.float().div(255)
        if pixels.shape[-1] != self.size or pixels.shape[-2] != self.size:
            pixels = vision.resize(pixels, [self.size, self.size], antialias=True)
        features: torch.Tensor = self.clip.encode_image(vision.normalize(pixels, self.mean, self.std), normalize=True)
        return features

    @torch.no_grad()
    def text(self, prompts: list[str]) -> torch.Tensor:
        """Unit-length text features (n, d)."""
        features: torch.Tensor = self.clip.encode_text(self.tokenizer(prompts).to(self._device), normalize=True)
        return features.cpu()

    @torch.no_grad()
    def logits(self, head: str, features: torch.Tensor) -> torch.Tensor:
        """Class scores (n, classes) of one attribute head."""
        scores: torch.Tensor = self.heads[head](SCALE * features)
        return scores
