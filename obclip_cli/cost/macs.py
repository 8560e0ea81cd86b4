"""Multiply-accumulates of a UNet pass, counted on torch's meta device.

Source: torch.utils.flop_counter, which counts two operations a multiply-accumulate and sees
convolutions, linear layers and both attention products.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode


def unet_macs(config: Mapping[str, Any], tokens: int) -> int:
    """Multiply-accumulates of one pass with one row at the model's own resolution.

    Args:
        config: the UNet's configuration.
        tokens: length of the text sequence.
    """
    return _count(tuple(sorted((k, _frozen(v)) for k, v in config.items() if not k.startswith("_"))), tokens)


@lru_cache(maxsize=32)
def _count(config: tuple[tuple[str, Any], ...], tokens: int) -> int:
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(config))
        size = unet.config.sample_size
        latents = torch.empty(1, unet.config.in_channels, size, size)
        embeds = torch.empty(1, tokens, unet.config.cross_attention_dim)
        timestep = torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(latents, timestep, encoder_hidden_states=embeds)
    return counter.get_total_flops() // 2


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value
