"""Server-side accelerations: one file each, put on a UNet for a run and taken off again.

An acceleration has `attach(unet)`, `begin_step(step)` (0 at the cloud's first step) and `detach()`.
They are keyed by step position, never by timestep value, which schedules may repeat.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.attention_cache import AttentionCache
from obclip_cli.cloud.accelerate.block_skip import BlockSkip
from obclip_cli.config import CacheConfig


class Acceleration(Protocol):
    """What every acceleration offers."""

    def attach(self, unet: UNet2DConditionModel) -> None:
        """Put itself on the model."""
        ...

    def begin_step(self, step: int) -> None:
        """Be told which of the cloud's steps comes next, 0 first."""
        ...

    def detach(self) -> None:
        """Leave the model as it was."""
        ...


def accelerations(cache: CacheConfig) -> list[Acceleration]:
    """The configured accelerations, in the order in which they are put on."""
    chosen: list[Acceleration] = []
    if cache.cache_point is not None:
        chosen.append(AttentionCache(cache_point=cache.cache_point, refresh=cache.refresh))
    if cache.skip_point is not None:
        chosen.append(BlockSkip(skip_point=cache.skip_point, fresh_conv_in=cache.fresh_conv_in))
    return chosen


@contextmanager
def attached(unet: UNet2DConditionModel, chosen: Sequence[Acceleration]) -> Iterator[Callable[[int], None]]:
    """Put accelerations on the model and take them off in reverse order, also after an error.

    Gives a function that tells all of them which step comes next.
    """
    done: list[Acceleration] = []
    try:
        for acceleration in chosen:
            acceleration.attach(unet)
            done.append(acceleration)

        def begin_step(step: int) -> None:
            for acceleration in done:
                acceleration.begin_step(step)

        yield begin_step
    finally:
        for acceleration in reversed(done):
            acceleration.detach()
