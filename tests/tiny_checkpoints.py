"""Tiny random checkpoints in the saved format of each architecture of configs/model."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DEISMultistepScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from obclip_cli.diffusion.architectures import load_architecture
from tests.conftest import byte_tokenizer

WIDTH_DIVISOR = 40  # 320 channels become 8
LATENT_SIZE = 16
TEXT_WIDTH = 16
TIME_ID_WIDTH = 8
TOKENS = 77
# Real repositories of these also hold half-precision files, which their pairs ask for.
WITH_FP16 = ("sdxl", "lcm-sdxl")
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def tiny_unet_config(architecture: str) -> dict[str, Any]:
    """The architecture with its blocks and layers, but narrow: latents of 16x16, half the transformer layers."""
    config = dict(load_architecture(architecture).unet)
    config["sample_size"] = LATENT_SIZE
    config["block_out_channels"] = [width // WIDTH_DIVISOR for width in config["block_out_channels"]]
    config["norm_num_groups"] = 4
    config["cross_attention_dim"] = TEXT_WIDTH
    config["attention_head_dim"] = 2
    if is_xl(config):
        config["cross_attention_dim"] = 2 * TEXT_WIDTH  # two text encoders, side by side
        config["attention_head_dim"] = [1, 2, 4]
        config["transformer_layers_per_block"] = [max(1, n // 2) for n in config["transformer_layers_per_block"]]
        config["addition_time_embed_dim"] = TIME_ID_WIDTH
        config["projection_class_embeddings_input_dim"] = TEXT_WIDTH + 6 * TIME_ID_WIDTH
    return config


def is_xl(config: dict[str, Any]) -> bool:
    """Whether the UNet is told a pooled text embedding and sizes, as SDXL's is."""
    return config.get("addition_embed_type") == "text_time"


def tiny_unet(architecture: str, seed: int) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(**tiny_unet_config(architecture))


def tiny_pipeline_of(architecture: str, seed: int) -> DiffusionPipeline:
    """A whole random pipeline; the autoencoder and the text encoders do not depend on `seed`."""
    unet = tiny_unet(architecture, seed)
    if is_xl(tiny_unet_config(architecture)):
        return StableDiffusionXLPipeline(
            vae=_autoencoder(scaling_factor=0.13025),
            text_encoder=CLIPTextModel(_text_config()),
            text_encoder_2=CLIPTextModelWithProjection(_text_config()),
            tokenizer=_tokenizer(),
            tokenizer_2=_tokenizer(),
            unet=unet,
            scheduler=EulerDiscreteScheduler(**NOISE, timestep_spacing="leading"),
        )
    # small-sd's repository holds a DEIS scheduler, the others of its size a PNDM one.
    scheduler = DEISMultistepScheduler if architecture == "small-sd" else PNDMScheduler
    return StableDiffusionPipeline(
        vae=_autoencoder(scaling_factor=0.18215),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=scheduler(**NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save_tiny(architecture: str, folder: Path, seed: int) -> Path:
    """Save a tiny checkpoint as its hub repository is laid out: a pipeline, or for LCM-SDXL a UNet alone.

    Returns:
        `folder`.
    """
    alone = tiny_unet_config(architecture).get("time_cond_proj_dim") is not None
    model = tiny_unet(architecture, seed) if alone else tiny_pipeline_of(architecture, seed)
    model.save_pretrained(folder)
    if architecture in WITH_FP16:
        model.to(dtype=torch.float16).save_pretrained(folder, variant="fp16")
    return folder


def _autoencoder(scaling_factor: float) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 8, 8),
        norm_num_groups=4,
        sample_size=8 * LATENT_SIZE,
        scaling_factor=scaling_factor,
    )


def _text_config() -> CLIPTextConfig:
    torch.manual_seed(0)
    return CLIPTextConfig(
        vocab_size=len(_tokenizer()),
        hidden_size=TEXT_WIDTH,
        intermediate_size=TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _tokenizer() -> CLIPTokenizer:
    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = TOKENS
    return tokenizer
