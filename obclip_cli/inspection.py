"""Load a pair and say what it is made of."""

from typing import Any

from diffusers import DiffusionPipeline

from obclip_cli.config import ModelConfig, PairConfig
from obclip_cli.cost.architectures import load_architecture, parameters_of
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.models import check_same_latent_space, latent_shape, load_pipeline
from obclip_cli.pairs import require


def inspect_pair(pair: PairConfig) -> dict[str, Any]:
    """Load both models on the CPU in the pair's number format.

    Raises:
        UserError: a model is not here or cannot be loaded, or the two latent spaces differ.
    """
    require(pair)
    cloud, device = (load_pipeline(model, dtype=pair.dtype, device="cpu") for model in (pair.cloud, pair.device))
    check_same_latent_space(cloud, device)
    return {"pair": pair.name, "cloud": _facts(pair, pair.cloud, cloud), "device": _facts(pair, pair.device, device)}


def _facts(pair: PairConfig, model: ModelConfig, pipeline: DiffusionPipeline) -> dict[str, Any]:
    unet, copies = pipeline.unet, hub.copies(model)
    count = _count(unet)
    encoders = [pipeline.components[name] for name in ("text_encoder", "text_encoder_2") if name in pipeline.components]
    return {
        "model": model.path,
        "revision": copies[0].revision,
        "unet_revision": copies[1].revision if len(copies) > 1 else None,
        "pipeline": type(pipeline).__name__,
        "unet_blocks": f"{len(unet.down_blocks)} down, {int(unet.mid_block is not None)} mid, {len(unet.up_blocks)} up",
        "unet_parameters": count,
        "architecture": model.architecture,
        "as_in_architecture": _is_of_architecture(count, model),
        "text_encoder_parameters": sum(_count(encoder) for encoder in encoders),
        "autoencoder_parameters": _count(pipeline.vae),
        "latents": list(latent_shape(pipeline)),
        "image": [latent_shape(pipeline)[1] * pipeline.vae_scale_factor] * 2,
        "scheduler": type(pipeline.scheduler).__name__,
        "guidance_scale": pair.guidance_scale if model.guidance_scale is None else model.guidance_scale,
        "dtype": str(unet.dtype).removeprefix("torch."),
    }


def _is_of_architecture(count: int, model: ModelConfig) -> bool | None:
    """Whether costs counted from the pair's architecture file hold for this UNet."""
    if model.architecture is None:
        return None
    return count == parameters_of(load_architecture(model.architecture).unet)


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
