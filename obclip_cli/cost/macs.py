"""Multiply-accumulates of a UNet pass, counted on torch's meta device.

Source: torch.utils.flop_counter, which counts two operations a multiply-accumulate and sees
convolutions, linear layers and both attention products.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
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
    return _MetaPass(dict(config), tokens).macs()


def path_macs(
    config: Mapping[str, Any],
    tokens: int,
    steps: int,
    accelerated: Callable[[UNet2DConditionModel], AbstractContextManager[Callable[[int], None]]],
) -> int:
    """Multiply-accumulates of `steps` passes with one row, as the accelerations change them from step to step.

    Args:
        accelerated: puts the accelerations on a model, as `cloud.accelerate.attached` does.
    """
    one_pass = _MetaPass({k: v for k, v in config.items() if not k.startswith("_")}, tokens)
    total = 0
    with accelerated(one_pass.unet) as begin_step:
        for step in range(steps):
            begin_step(step)
            total += one_pass.macs()
    return total


class _MetaPass:
    """A UNet without weights and one row of input for it."""

    def __init__(self, config: dict[str, Any], tokens: int) -> None:
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(**config)
            size = self.unet.config.sample_size
            self.latents = torch.empty(1, self.unet.config.in_channels, size, size)
            self.embeds = torch.empty(1, tokens, self.unet.config.cross_attention_dim)
            self.timestep = torch.zeros(1, dtype=torch.long)

    def macs(self) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.unet(self.latents, self.timestep, encoder_hidden_states=self.embeds)
        return counter.get_total_flops() // 2


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value
