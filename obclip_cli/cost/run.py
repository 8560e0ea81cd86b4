"""What one run of the scheme costs on each side, from the models that ran."""

from diffusers import DiffusionPipeline

from obclip_cli.config import CacheConfig
from obclip_cli.cost.macs import steps_macs
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.schedule import Split

OFF = CacheConfig(shared_first_step=False)


def run_macs(
    cloud: DiffusionPipeline, device: DiffusionPipeline, split: Split, *, cache: CacheConfig, candidates: int
) -> tuple[int, int]:
    """(cloud, device) multiply-accumulates of one image with `candidates` candidates, everything counted."""
    return (
        _macs(cloud, split.cloud_steps, split.cloud.guidance_scale, cache, candidates),
        _macs(device, split.device_steps, split.device.guidance_scale, OFF, 1),
    )


def _macs(pipeline: DiffusionPipeline, steps: int, guidance_scale: float, cache: CacheConfig, candidates: int) -> int:
    costs = steps_macs(
        pipeline.unet.config,
        pipeline.tokenizer.model_max_length,
        candidates=candidates,
        guided=is_guided(pipeline, guidance_scale),
        steps=steps,
        cache=cache,
    )
    return sum(step.total for step in costs)
