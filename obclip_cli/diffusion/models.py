"""Load one side of a pair: a stock diffusers pipeline from a folder or the Hugging Face hub."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler, LCMScheduler, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers.utils import logging as transformers_logging

from obclip_cli.config import ModelConfig
from obclip_cli.diffusion import hub
from obclip_cli.errors import UserError

# A repository's own scheduler may be of another kind (small-sd: DEIS), whose algorithm must not be taken over.
OWN = {"dpm_solver": {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}}
SCHEDULERS = {"dpm_solver": DPMSolverMultistepScheduler, "lcm": LCMScheduler}


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """No progress bars while a model loads; afterwards both libraries' settings are as before."""
    shown = [library for library in (diffusers_logging, transformers_logging) if library.is_progress_bar_enabled()]
    downloads = not are_progress_bars_disabled()
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
        (enable_progress_bars if downloads else disable_progress_bars)()


def load_pipeline(model: ModelConfig, *, dtype: str, device: str) -> DiffusionPipeline:
    """A Stable Diffusion (XL) pipeline with the configured solver, in evaluation mode, without progress bars.

    Args:
        dtype: name of a torch dtype, such as float32.

    Raises:
        UserError: the model is not there, its files are broken, or it has no UNet with down, mid and up blocks.
    """
    with without_progress_bars():
        pipeline = _loaded(model, dtype)
    _check_has_unet(pipeline, model.path)
    pipeline.scheduler = SCHEDULERS[model.scheduler].from_config(
        pipeline.scheduler.config, **OWN.get(model.scheduler, {})
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _loaded(model: ModelConfig, dtype: str) -> DiffusionPipeline:
    folder, *unet_folder = hub.folders(model)
    wanted = {"dtype": getattr(torch, dtype)}
    try:
        parts: dict[str, Any] = {}
        index = DiffusionPipeline.load_config(folder)
        if "requires_safety_checker" in index or "safety_checker" in index:
            parts = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        for unet in unet_folder:
            variant = hub.variant_in(unet, model.variant)
            parts["unet"] = UNet2DConditionModel.from_pretrained(unet, variant=variant, **wanted)
        variant = hub.variant_in(folder, model.variant)
        return DiffusionPipeline.from_pretrained(folder, variant=variant, **parts, **wanted)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the model in {model.path} cannot be read ({reason[0][:160]}); replace its files by a whole copy"
        ) from error


def with_solver(pipeline: DiffusionPipeline) -> DiffusionPipeline:
    """The modules of a caller's pipeline with the solver that pairs have; the caller's stays as it is.

    Raises:
        UserError: it has no UNet with down, mid and up blocks, or a schedule of its own (LCM).
    """
    _check_has_unet(pipeline, name_of(pipeline))
    if isinstance(pipeline.scheduler, LCMScheduler):
        raise UserError(
            "an LCM cloud has a schedule of its own; describe the pair in configs/pair (see lcmsdxl-koala.yaml) and "
            "use ObCLIPPipeline.from_pair"
        )
    ours = copy.copy(pipeline)
    ours.scheduler = SCHEDULERS["dpm_solver"].from_config(pipeline.scheduler.config, **OWN["dpm_solver"])
    return ours


def name_of(pipeline: DiffusionPipeline) -> str:
    """The folder or hub id that a pipeline was loaded from, else its class."""
    return str(getattr(pipeline.config, "_name_or_path", "") or type(pipeline).__name__)


def _check_has_unet(pipeline: DiffusionPipeline, name: str) -> None:
    if not isinstance(getattr(pipeline, "unet", None), UNet2DConditionModel):
        raise UserError(
            f"{name} is a {type(pipeline).__name__} without a UNet2DConditionModel; "
            "choose a Stable Diffusion or SDXL model, whose UNet has down, mid and up blocks"
        )


def latent_space(pipeline: DiffusionPipeline) -> dict[str, Any]:
    """What two models must agree in to hand over latents, in JSON's types."""
    unet, vae = pipeline.unet.config, pipeline.vae.config
    return {
        "latent channels": unet.in_channels,
        "latent size": unet.sample_size,
        "autoencoder scaling factor": vae.scaling_factor,
        "autoencoder block widths": list(vae.block_out_channels),
    }


def check_same_latent_space(cloud: DiffusionPipeline, device: DiffusionPipeline) -> None:
    """The device can go on from the cloud's latents only if both were trained in one latent space.

    Raises:
        UserError: names what differs.
    """
    compare_latent_spaces(latent_space(cloud), latent_space(device))


def compare_latent_spaces(cloud: dict[str, Any], device: dict[str, Any]) -> None:
    """The same for two sides that are not in one process, as `latent_space` describes them."""
    for name, there in device.items():
        if (here := cloud.get(name)) != there:
            raise UserError(
                f"the pair's latent spaces differ ({name}: cloud {here}, device {there}); "
                "choose two models that share an autoencoder"
            )


def latent_shape(pipeline: DiffusionPipeline) -> tuple[int, int, int]:
    """(channels, height, width) of one latent at the model's own resolution."""
    config = pipeline.unet.config
    return config.in_channels, config.sample_size, config.sample_size


def default_device() -> str:
    """The accelerator if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
