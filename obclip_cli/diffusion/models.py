"""Load one side of a pair: a stock diffusers pipeline from a folder or the Hugging Face hub."""

from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from obclip_cli.errors import UserError
from obclip_cli.resources import package_folder

diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()


def resolve(path: str) -> str:
    """A model's place: `package:NAME` for the weights in this package, a folder, or a hub id."""
    if path.startswith("package:"):
        return str(package_folder() / path.removeprefix("package:"))
    return path


def load_pipeline(path: str, *, revision: str | None, dtype: str, device: str) -> StableDiffusionPipeline:
    """A Stable Diffusion pipeline with DPM-Solver++, in evaluation mode, without progress bars.

    Args:
        path: `package:NAME`, a local folder in diffusers' format, or a hub id.
        dtype: name of a torch dtype, such as float32.

    Raises:
        UserError: the model is not there or its files are broken.
    """
    place = resolve(path)
    if path.startswith("package:") and not Path(place).is_dir():
        raise UserError(f"{path} is not in this installation; run `make mini` in a clone, or choose another pair")
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            place,
            revision=revision,
            dtype=getattr(torch, dtype),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    except Exception as error:
        raise UserError(_explain(path, place, error)) from error
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _explain(path: str, place: str, error: Exception) -> str:
    if not Path(place).is_dir() and ("/" not in path or path.startswith((".", "/"))):
        return f"no model folder at {path}; give a folder in diffusers' format or a hub id"
    reason = str(error).strip().splitlines() or [type(error).__name__]
    if Path(place).is_dir():
        return f"the model in {path} cannot be read ({reason[0][:160]}); replace its files by a whole copy"
    return f"the model {path} cannot be fetched ({reason[0][:160]}); download it and give its folder instead"


def latent_shape(pipeline: StableDiffusionPipeline) -> tuple[int, int, int]:
    """(channels, height, width) of one latent at the model's own resolution."""
    config = pipeline.unet.config
    return config.in_channels, config.sample_size, config.sample_size


def default_device() -> str:
    """The accelerator if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
