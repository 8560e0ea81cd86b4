"""The pairs of configs/pair: what they consist of, and which of their models are on this machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from obclip_cli.compose import compose_config
from obclip_cli.config import HybridConfig, ModelConfig, PairConfig
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.files import read_json
from obclip_cli.errors import UserError
from obclip_cli.resources import data_folder

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

# Stable Diffusion and SDXL: one latent for 8x8 pixels.
PIXELS_PER_LATENT = 8


@dataclass(frozen=True)
class Side:
    """The cloud's or the device's model, and its copies on this machine (two where the UNet is kept apart)."""

    name: str
    model: ModelConfig
    copies: list[hub.Copy]

    @property
    def is_here(self) -> bool:
        return not self.lacking

    @property
    def lacking(self) -> list[hub.Copy]:
        """Copies with missing files. A cloud decodes nothing, so that its autoencoder may be missing."""
        return [copy for copy in self.copies if (hub.needed(copy) if self.name == "cloud" else copy.missing)]


def pair_names() -> list[str]:
    """Every file in configs/pair."""
    return sorted(path.stem for path in (data_folder("configs") / "pair").glob("*.yaml"))


def compose_pair(name: str, overrides: Iterable[str] = ()) -> PairConfig:
    """One pair by name, with overrides such as `pair.cloud.path=DIR`.

    Raises:
        UserError: no such pair, or a wrong override.
    """
    return compose_config([*overrides, f"pair={name}"]).pair


def sides(pair: PairConfig) -> tuple[Side, Side]:
    """Cloud and device."""
    return Side("cloud", pair.cloud, hub.copies(pair.cloud)), Side("device", pair.device, hub.copies(pair.device))


def latent_geometry(side: Side) -> tuple[int, int, int] | None:
    """(channels, height and width of a latent, height and width of the image); None if nothing tells.

    Read from the model's own files where they are present, else from its architecture.
    """
    folder = side.copies[0].folder
    if folder is not None and side.model.unet is None:
        own, vae = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
        if own and vae:
            pixels = 2 ** (len(vae["block_out_channels"]) - 1)
            return own["in_channels"], own["sample_size"], own["sample_size"] * pixels
    if side.model.architecture is None:
        return None
    unet = side.model.architecture.unet
    return unet["in_channels"], unet["sample_size"], unet["sample_size"] * PIXELS_PER_LATENT


def disk_gb(side: Side) -> float | None:
    """Expected size of the download; of a local model without one, its size on disk."""
    if side.model.disk_gb is not None:
        return side.model.disk_gb
    folder = side.copies[0].folder
    if folder is None:
        return None
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9, 2)


def pull(pair: PairConfig) -> tuple[tuple[Side, Side], str]:
    """Fetch both models from the hub, the newest of what is not pinned; without a hub, copies that are whole do.

    Returns:
        cloud and device, and why the hub could not be asked, if so.

    Raises:
        UserError: something is missing and cannot be fetched.
    """
    out_of_reach = ""
    for side in sides(pair):
        try:
            hub.ask_hub(side.model)
        except ConnectionError as error:
            out_of_reach = str(error)
            break
        hub.fetch(side.model)
    found = sides(pair)
    lacking = [copy for side in found for copy in side.lacking]
    for copy in lacking:
        hub.check_form(copy)
    if lacking and all(copy.kind != "hub cache" for copy in lacking):
        raise UserError(f"not whole: {hub.in_words(lacking)}; name whole folders in diffusers' format, or hub ids")
    if lacking:
        raise UserError(f"{hub.how_to_get(lacking, out_of_reach)}, then add {_overrides(found)}")
    return found, out_of_reach


def require(pair: PairConfig) -> None:
    """Refuse a pair that is not whole on this machine, rather than download gigabytes unasked.

    Raises:
        UserError: names what is missing.
    """
    both = sides(pair)
    lacking = [copy for side in (both[1:] if pair.cloud == pair.device else both) for copy in side.lacking]
    for copy in lacking:
        hub.check_form(copy)
    if lacking:
        raise UserError(
            f"not whole on this machine: {hub.in_words(lacking)}; run `obclip models pull {pair.name}`, "
            "or name whole folders, as in pair.cloud.path=DIR"
        )


def _overrides(found: tuple[Side, Side]) -> str:
    """The settings that name DIR1, DIR2, ... of `how_to_get`."""
    keys = [f"pair.{side.name}.{copy.key}" for side in found for copy in side.lacking if copy.kind == "hub cache"]
    return " ".join(f"{key}=DIR{place}" for place, key in enumerate(keys, 1))


def inspect_pair(pair: PairConfig) -> dict[str, Any]:
    """Load both models on the CPU in the pair's number format, and say whether one can go on from the other.

    Raises:
        UserError: a model is not here or cannot be loaded, or the two differ in latent space or training noise.
    """
    from obclip_cli.diffusion.models import check_same_latent_space, load_pipeline
    from obclip_cli.diffusion.schedule import schedule_in_words, share_schedule

    require(pair)
    cloud, device = (load_pipeline(model, dtype=pair.dtype, device="cpu") for model in (pair.cloud, pair.device))
    check_same_latent_space(cloud, device)
    share_schedule(cloud, device)
    return {
        "pair": pair.name,
        "schedule": schedule_in_words(pair, device.scheduler),
        "cloud": _facts(pair, pair.cloud, cloud),
        "device": _facts(pair, pair.device, device),
    }


def _facts(pair: PairConfig, model: ModelConfig, pipeline: "DiffusionPipeline") -> dict[str, Any]:
    from obclip_cli.diffusion.models import latent_shape
    from obclip_cli.diffusion.schedule import guidance_of, noise_levels

    unet, copies = pipeline.unet, hub.copies(model)
    levels = noise_levels(pipeline.scheduler, model.steps or HybridConfig.steps)
    count = _count(unet)
    encoders = [pipeline.components[name] for name in ("text_encoder", "text_encoder_2") if name in pipeline.components]
    return {
        "model": model.path,
        "revision": copies[0].revision,
        "unet_revision": next((copy.revision for copy in copies if copy.key == "unet"), None),
        "vae": model.vae,
        "pipeline": type(pipeline).__name__,
        "unet_blocks": f"{len(unet.down_blocks)} down, {int(unet.mid_block is not None)} mid, {len(unet.up_blocks)} up",
        "unet_parameters": count,
        "as_in_architecture": _is_of_architecture(count, model),
        "text_encoder_parameters": sum(_count(encoder) for encoder in encoders),
        "autoencoder_parameters": None if pipeline.vae is None else _count(pipeline.vae),
        "latents": list(latent_shape(pipeline)),
        "image": [latent_shape(pipeline)[1] * pipeline.vae_scale_factor] * 2,
        "scheduler": type(pipeline.scheduler).__name__,
        "noise_levels": f"{levels[0]:.4g} to {levels[-2]:.4g} in {len(levels) - 1} steps",
        "guidance_scale": guidance_of(pair, model),
        "dtype": str(unet.dtype).removeprefix("torch."),
    }


def _is_of_architecture(count: int, model: ModelConfig) -> bool | None:
    """Whether costs counted from the pair's architecture file hold for this UNet."""
    from obclip_cli.diffusion.architectures import parameters_of

    if model.architecture is None:
        return None
    return count == parameters_of(model.architecture.unet)


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
