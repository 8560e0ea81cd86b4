"""Bytes that go up and come down, without message headers (arXiv 2510.04153, Section 4.1)."""

from collections.abc import Mapping
from typing import Any

import torch

from obclip_cli.config import Config

# Assumed for a prompt; what is really sent is measured by `obclip generate`.
PROMPT_BYTES = 80


def latent_bytes(unet: Mapping[str, Any], dtype: str) -> int:
    """Bytes of one latent."""
    size = unet["sample_size"]
    return unet["in_channels"] * size * size * torch.empty((), dtype=getattr(torch, dtype)).element_size()


def traffic_bytes(unet: Mapping[str, Any], config: Config, candidates: int) -> tuple[int, int]:
    """(up, down) for N candidates: prompts up, latents down; history doubles what comes down."""
    one = latent_bytes(unet, config.pair.dtype)
    tensors = 2 if config.hybrid.handover == "history" else 1
    if config.hybrid.order == "client_first":
        return PROMPT_BYTES * candidates + tensors * one, one * candidates
    return PROMPT_BYTES * candidates, tensors * one * candidates
