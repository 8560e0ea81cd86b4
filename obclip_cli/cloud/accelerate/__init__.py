"""Server-side accelerations: one file each, put on a UNet for a run and taken off again.

An acceleration has `attach(unet, context)` and `detach()`; while the cloud denoises, `context` says which
step runs, for which rows. A new one is a file here, a key of `CacheConfig` and a line in `accelerations`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.attention_cache import AttentionCache
from obclip_cli.cloud.accelerate.block_skip import BlockSkip
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention
from obclip_cli.cloud.accelerate.shared_first_step import SharedFirstStep
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError


class Acceleration(Protocol):
    """What every acceleration offers."""

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Put itself on the model, to look at `context` in every step."""
        ...

    def detach(self) -> None:
        """Leave the model as it was."""
        ...


def accelerations(cache: CacheConfig) -> list[Acceleration]:
    """The configured accelerations, in the order in which they are put on."""
    chosen: list[Acceleration] = []
    if cache.reuse is not None:
        chosen.append(PivotAttention(scope=cache.reuse, layers=cache.reuse_layers, stop=cache.cache_point))
    if cache.cache_point is not None:
        chosen.append(AttentionCache(cache_point=cache.cache_point, refresh=cache.refresh))
    if cache.skip_point is not None:
        chosen.append(BlockSkip(skip_point=cache.skip_point, fresh_conv_in=cache.fresh_conv_in))
    if cache.shared_first_step:
        chosen.append(SharedFirstStep())
    return chosen


@contextmanager
def attached(unet: UNet2DConditionModel, chosen: Sequence[Acceleration], context: StepContext) -> Iterator[None]:
    """Put accelerations on the model and take them off in reverse order, also after an error.

    Raises:
        UserError: the model takes image prompts, whose rows and attention no acceleration knows.
    """
    if chosen and unet.config.encoder_hid_dim_type not in (None, "text_proj"):
        raise UserError("accelerations do not work with an IP-Adapter or another image prompt; unload it from the UNet")
    done: list[Acceleration] = []
    try:
        for acceleration in chosen:
            acceleration.attach(unet, context)
            done.append(acceleration)
        yield
    finally:
        for acceleration in reversed(done):
            acceleration.detach()
