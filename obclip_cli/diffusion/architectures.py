"""UNets of the paper's models without their weights: configs/pair/architecture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import yaml
from diffusers import DiffusionPipeline, UNet2DConditionModel

from obclip_cli.errors import UserError, nearest
from obclip_cli.resources import data_folder

# SDXL is told its original size, crop corner and target size.
TIME_IDS = 6


@dataclass(frozen=True)
class Architecture:
    """A UNet's configuration and the length of its text sequence."""

    unet: Mapping[str, Any]
    text_tokens: int

    @classmethod
    def of(cls, pipeline: DiffusionPipeline) -> "Architecture":
        """That of a loaded model."""
        return cls(pipeline.unet.config, pipeline.tokenizer.model_max_length)


def load_architecture(name: str) -> Architecture:
    """One by name.

    Raises:
        UserError: there is none of this name.
    """
    folder = data_folder("configs") / "pair" / "architecture"
    path = folder / f"{name}.yaml"
    if not path.exists():
        options = sorted(p.stem for p in folder.glob("*.yaml"))
        raise UserError(f"there is no architecture {name}; {nearest(name, options)}")
    content = yaml.safe_load(path.read_text())
    return Architecture(content["unet"], content["text_tokens"])


def parameters_of(unet: Mapping[str, Any]) -> int:
    """Number of parameters of a UNet configuration."""
    with torch.device("meta"):
        model = UNet2DConditionModel(**unet)
    return sum(parameter.numel() for parameter in model.parameters())


def pooled_text_width(unet: Mapping[str, Any]) -> int:
    """Width of SDXL's pooled text: what the first layer of the added embedding leaves beside the sizes."""
    width: int = unet["projection_class_embeddings_input_dim"] - TIME_IDS * unet["addition_time_embed_dim"]
    return width
