"""A pipeline of the right architecture with random weights and random prompts: it draws nothing, but costs the same."""

from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import nn

from obclip_cli.diffusion import backend
from obclip_cli.diffusion.architectures import Architecture, pooled_text_width
from obclip_cli.diffusion.models import SCHEDULERS

SPREAD = 0.02
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


class _RandomPrompts(StableDiffusionPipeline):
    """Gives every prompt random embeddings of the right shape instead of asking a text encoder."""

    tokens: int

    def encode_prompt(self, prompt: list[str], device: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, ...]:
        embeds = _random(len(prompt), self.tokens, self.unet.config.cross_attention_dim).to(device, self.unet.dtype)
        return embeds, torch.zeros_like(embeds)


class _RandomPromptsXL(StableDiffusionXLPipeline):
    """The same with SDXL's pooled embeddings."""

    tokens: int

    def encode_prompt(self, prompt: list[str], device: Any = None, **kwargs: Any) -> tuple[torch.Tensor, ...]:
        config = self.unet.config
        embeds = _random(len(prompt), self.tokens, config.cross_attention_dim).to(device, self.unet.dtype)
        pooled = _random(len(prompt), pooled_text_width(config)).to(device, self.unet.dtype)
        return embeds, torch.zeros_like(embeds), pooled, torch.zeros_like(pooled)


def random_pipeline(
    architecture: Architecture, *, scheduler: str, dtype: str, device: str, sample_size: int | None = None
) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
    """A pipeline without text encoder and autoencoder, whose UNet has random weights.

    Args:
        scheduler: dpm_solver or lcm.
        dtype: name of a torch dtype.
        sample_size: height and width of a latent, where it is not the model's own.
    """
    config = dict(architecture.unet) | ({"sample_size": sample_size} if sample_size else {})
    with torch.device("meta"):  # the default initialisation of billions of weights takes minutes
        unet = UNet2DConditionModel(**config).eval()
    # torch's own method: diffusers' warns of modules to be kept in float32, of which there are none.
    unet = nn.Module.to(unet, getattr(torch, dtype)).to_empty(device=device)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.normal_(std=SPREAD)
    backend.prepare(unet, device=device)
    steps = SCHEDULERS[scheduler](**NOISE)
    parts: dict[str, Any] = {"vae": None, "text_encoder": None, "tokenizer": None, "unet": unet, "scheduler": steps}
    if config.get("addition_embed_type") == "text_time":
        pipeline = _RandomPromptsXL(**parts, text_encoder_2=None, tokenizer_2=None)
    else:
        pipeline = _RandomPrompts(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipeline.tokens = architecture.text_tokens
    return pipeline


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
