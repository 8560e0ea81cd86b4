"""What one run of the scheme costs on each side."""

from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.cost.architectures import Architecture
from obclip_cli.cost.macs import Macs, steps_macs
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.schedule import Split


def run_macs(
    cloud: Architecture, device: Architecture, split: Split, *, cache: CacheConfig, candidates: int
) -> tuple[list[Macs], list[Macs]]:
    """Each step of the cloud, for all candidates, and each step of the device, for one."""
    return (
        _macs(cloud, split.cloud_steps, split.cloud.guidance_scale, cache, candidates),
        _macs(device, split.device_steps, split.device.guidance_scale, NO_ACCELERATION, 1),
    )


def _macs(model: Architecture, steps: int, guidance_scale: float, cache: CacheConfig, candidates: int) -> list[Macs]:
    guided = is_guided(model.unet, guidance_scale)
    return steps_macs(model.unet, model.text_tokens, candidates=candidates, guided=guided, steps=steps, cache=cache)
