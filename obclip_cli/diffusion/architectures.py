"""UNets of the paper's models without their weights, by configs/model."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.compose import compose_model
from obclip_cli.config import Architecture
from obclip_cli.errors import UserError

__all__ = ["Architecture", "load_architecture", "parameters_of", "pooled_text_width"]
# SDXL is told its original size, crop corner and target size.
TIME_IDS = 6


def load_architecture(name: str) -> Architecture:
    """That of a model by its name in configs/model.

    Raises:
        UserError: there is none of this name, or it holds no architecture.
    """
    if (found := compose_model(name).architecture) is None:
        raise UserError(f"configs/model/{name}.yaml holds no architecture; choose another model")
    return found


def parameters_of(unet: Mapping[str, Any]) -> int:
    """Number of parameters of a UNet configuration."""
    with torch.device("meta"):
        model = UNet2DConditionModel(**unet)
    return sum(parameter.numel() for parameter in model.parameters())


def pooled_text_width(unet: Mapping[str, Any]) -> int:
    """Width of SDXL's pooled text: what the first layer of the added embedding leaves beside the sizes."""
    width: int = unet["projection_class_embeddings_input_dim"] - TIME_IDS * unet["addition_time_embed_dim"]
    return width
