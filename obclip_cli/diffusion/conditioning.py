"""The UNet's conditioning: prompt embeddings and, for SDXL and LCM, pooled text, sizes and guidance."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import DiffusionPipeline


@dataclass(frozen=True)
class Conditioning:
    """Conditions of n samples, row by row: with guidance 2n rows, the unconditional ones first.

    Attributes:
        prompt_embeds: (rows, tokens, width).
        added: SDXL's `text_embeds` (rows, width) and `time_ids` (rows, 6); empty for other models.
        timestep_cond: the embedded guidance scale of a guidance-distilled model such as LCM, (rows, width).
        guided: whether there are unconditional rows.
    """

    prompt_embeds: torch.Tensor
    added: dict[str, torch.Tensor] = field(default_factory=dict)
    timestep_cond: torch.Tensor | None = None
    guided: bool = True

    def arguments(self) -> dict[str, object]:
        """As keyword arguments of UNet2DConditionModel."""
        return {
            "encoder_hidden_states": self.prompt_embeds,
            "added_cond_kwargs": self.added or None,
            "timestep_cond": self.timestep_cond,
        }


def is_guided(unet: Mapping[str, Any], guidance_scale: float) -> bool:
    """Whether a UNet of this configuration runs an unconditional row for each sample, by diffusers' own rule.

    A model with a guidance embedding (`time_cond_proj_dim`) is told the scale instead.
    """
    return guidance_scale > 1 and unet.get("time_cond_proj_dim") is None


@torch.inference_mode()
def encode_prompts(pipeline: DiffusionPipeline, prompts: list[str], guidance_scale: float) -> Conditioning:
    """Encode prompts as the stock pipeline does, the empty one once for all of them."""
    guided = is_guided(pipeline.unet.config, guidance_scale)
    conditional, pooled = _encoded(pipeline, prompts, guided=False)[::2]
    added: dict[str, torch.Tensor] = {}
    if guided:
        _, empty, _, empty_pooled = _encoded(pipeline, prompts[:1], guided=True)
        conditional = torch.cat([empty.repeat(len(prompts), 1, 1), conditional])
        pooled = None if pooled is None else torch.cat([empty_pooled.repeat(len(prompts), 1), pooled])
    if pooled is not None:
        ids = _time_ids(pipeline, conditional.dtype).repeat(len(conditional), 1)
        added = {"text_embeds": pooled, "time_ids": ids}
    return Conditioning(conditional, added, _guidance_embedding(pipeline, len(prompts), guidance_scale), guided)


def _encoded(pipeline: DiffusionPipeline, prompts: list[str], *, guided: bool) -> tuple[Any, Any, Any, Any]:
    """(conditional, unconditional, pooled, unconditional pooled); None where the model has no such thing."""
    with _words_unlogged(pipeline):
        found = pipeline.encode_prompt(
            prompts, device=pipeline.device, num_images_per_prompt=1, do_classifier_free_guidance=guided
        )
    return (*found, None, None)[:4]


@contextmanager
def _words_unlogged(pipeline: DiffusionPipeline) -> Iterator[None]:
    """The stock pipeline logs what it cuts off a prompt, and a server's log is no place for prompts."""
    logger = logging.getLogger(type(pipeline).__module__)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _time_ids(pipeline: DiffusionPipeline, dtype: torch.dtype) -> torch.Tensor:
    """SDXL's original size, crop corner and target size, (1, 6): all at the model's own resolution."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    return torch.tensor([[side, side, 0, 0, side, side]], dtype=dtype, device=pipeline.device)


def _guidance_embedding(pipeline: DiffusionPipeline, rows: int, guidance_scale: float) -> torch.Tensor | None:
    width = pipeline.unet.config.time_cond_proj_dim
    if width is None:
        return None
    scale = torch.tensor(guidance_scale - 1).repeat(rows)
    embedded = pipeline.get_guidance_scale_embedding(scale, embedding_dim=width)
    return embedded.to(device=pipeline.device, dtype=pipeline.unet.dtype)
