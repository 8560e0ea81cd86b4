"""What one run of the scheme costs on each side."""

from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.cost.macs import Macs, steps_macs
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.schedule import Split


def run_macs(
    cloud: Architecture, device: Architecture, split: Split, *, cache: CacheConfig, candidates: int, batch: int
) -> tuple[list[Macs], list[Macs]]:
    """Each step of the cloud, for all candidates, and each step of the device, for one.

    Args:
        batch: most rows that the cloud holds at once.
    """
    return (
        steps_macs(
            cloud.unet,
            cloud.text_tokens,
            candidates=candidates,
            guided=is_guided(cloud.unet, split.cloud.guidance_scale),
            steps=split.cloud_steps,
            cache=cache,
            batch=batch,
        ),
        steps_macs(
            device.unet,
            device.text_tokens,
            candidates=1,
            guided=is_guided(device.unet, split.device.guidance_scale),
            steps=split.device_steps,
            cache=NO_ACCELERATION,
        ),
    )
