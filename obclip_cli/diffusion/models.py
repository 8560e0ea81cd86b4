"""Load one side of a pair: a stock diffusers pipeline from a folder or the Hugging Face hub."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    LCMScheduler,
    ModelMixin,
    UNet2DConditionModel,
)
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from obclip_cli.config import ModelConfig
from obclip_cli.diffusion import backend, files, hub
from obclip_cli.errors import UserError

# A repository's own scheduler may be of another kind (small-sd: DEIS), whose algorithm must not be taken over.
OWN = {"dpm_solver": {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}}
AUTOENCODER = "autoencoder"
STATISTICS = ("scaling_factor", "shift_factor", "latents_mean", "latents_std")  # between latents and the autoencoder
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

    Its autoencoder is None where the model has none, as a cloud may (see `check_same_latent_space`).

    Args:
        dtype: name of a torch dtype, such as float32.

    Raises:
        UserError: the model is not there, its files are broken or do not belong together, its weights are not finite,
            or it has no UNet with down, mid and up blocks.
    """
    folders = hub.folders(model)
    try:
        with without_progress_bars():
            pipeline = _loaded(model, folders, {"dtype": getattr(torch, dtype)})
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the model in {model.path} cannot be read ({reason[0][:160]}); replace its files by a whole copy"
        ) from error
    _check_has_unet(pipeline, model.path)
    _check_parts(pipeline, model.path, dtype)
    pipeline.scheduler = SCHEDULERS[model.scheduler].from_config(
        pipeline.scheduler.config, **OWN.get(model.scheduler, {})
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    backend.prepare(pipeline.unet, pipeline.vae, device=device)
    return pipeline


def _loaded(model: ModelConfig, folders: dict[str, Path], wanted: dict[str, Any]) -> DiffusionPipeline:
    """The pipeline of a folder, each part from where it is kept and in the variant that is there."""
    folder = folders["path"]
    index = DiffusionPipeline.load_config(folder)
    parts: dict[str, Any] = {}
    if "requires_safety_checker" in index or "safety_checker" in index:
        parts = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    no_vae = None in index.get("vae", [None]) or files.lack_of_weights(folder / "vae", None) is not None
    if no_vae and "vae" not in folders:
        parts["vae"] = None
    for name, entry in index.items():
        if not isinstance(entry, list) or entry[0] not in ("diffusers", "transformers") or name in (*parts, *folders):
            continue
        kind = getattr(import_module(entry[0]), entry[1], None)
        if isinstance(kind, type) and issubclass(kind, ModelMixin | PreTrainedModel):
            parts[name] = _part(kind, folder / name, model.variant, wanted)
    for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        if name in folders:
            parts[name] = _part(kind, folders[name], model.variant, wanted)
    return DiffusionPipeline.from_pretrained(folder, **parts, **wanted)


def _part(kind: type, folder: Path, variant: str | None, wanted: dict[str, Any]) -> Any:
    """One module. A weight that its file lacks would otherwise be drawn at random, and no picture would tell."""
    chosen = files.variant_in(folder, variant)
    wanted = wanted | {"variant": chosen, "use_safetensors": files.has_safetensors(folder, chosen)}
    module, found = kind.from_pretrained(folder, output_loading_info=True, **wanted)  # type: ignore[attr-defined]
    unknown = found["unexpected_keys"] if kind is UNet2DConditionModel else ()
    for keys, said in ((found["missing_keys"], "lack"), (unknown, "hold what its config.json does not describe:")):
        if keys:
            named = f"{min(keys)} and {len(keys) - 1} more" if len(keys) > 1 else min(keys)
            raise UserError(
                f"the weights in {folder} {said} {named}; replace config.json and weights by those of one model"
            )
    return module


def _check_parts(pipeline: DiffusionPipeline, path: str, dtype: str) -> None:
    """Refuse weights that give black pictures, and a tokenizer of another model."""
    for name, module in pipeline.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        for key, values in module.state_dict().items():
            if not bool(torch.isfinite(values).all()):
                hint = "set pair.dtype=fp32 or bf16, or " if dtype == "float16" else ""
                raise UserError(
                    f"the {name} of {path} holds NaN or infinity ({key}); {hint}replace its weights by a whole copy"
                )
    for suffix in ("", "_2"):
        words, encoder = (getattr(pipeline, name + suffix, None) for name in ("tokenizer", "text_encoder"))
        if words is not None and encoder is not None and len(words) > encoder.config.vocab_size:
            raise UserError(
                f"the tokenizer{suffix} of {path} knows {len(words)} tokens, its text encoder "
                f"{encoder.config.vocab_size}; replace both by those of one model"
            )


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
    """What two models must agree in to hand over latents, in JSON's types; of an autoencoder where there is one."""
    unet = pipeline.unet.config
    found = {"latent channels": unet.in_channels, "latent size": unet.sample_size}
    if pipeline.vae is None:
        return found
    vae = pipeline.vae.config
    statistics = {name: getattr(vae, name) for name in STATISTICS}
    statistics |= {name: list(value) for name, value in statistics.items() if isinstance(value, tuple)}
    named = {f"{AUTOENCODER} {name.replace('_', ' ')}": value for name, value in statistics.items()}
    return found | named | {f"{AUTOENCODER} block widths": list(vae.block_out_channels)}


def check_same_latent_space(cloud: DiffusionPipeline, device: DiffusionPipeline) -> None:
    """The device can go on from the cloud's latents only if both were trained in one latent space.

    A cloud without an autoencoder is taken at its word: it decodes nothing.

    Raises:
        UserError: names what differs, or the device has no autoencoder.
    """
    check_has_autoencoder(device)
    compare_latent_spaces(latent_space(cloud), latent_space(device))


def check_has_autoencoder(pipeline: DiffusionPipeline) -> None:
    """Only a model that decodes needs one.

    Raises:
        UserError: it has none; says how to give it one.
    """
    if pipeline.vae is None:
        raise UserError(
            f"{name_of(pipeline)} has no autoencoder to decode with; give it one of its latent space by hub id or "
            "folder, as in pair.device.vae=stabilityai/sd-vae-ft-mse"
        )


def compare_latent_spaces(cloud: dict[str, Any], device: dict[str, Any]) -> None:
    """The same for two sides that are not in one process, as `latent_space` describes them."""
    for name, there in device.items():
        if name not in cloud and name.startswith(AUTOENCODER):
            continue
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
