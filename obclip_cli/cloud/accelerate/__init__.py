"""Server-side accelerations: one file each, put on a UNet for a run and taken off again.

A new one is a file here with a class, its name in `ACCELERATIONS`, and its settings in `CacheConfig`. Costs, savings,
the benchmark and the batches of an evaluation follow from what the class says of itself.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.attention_cache import AttentionCache
from obclip_cli.cloud.accelerate.block_skip import BlockSkip
from obclip_cli.cloud.accelerate.guidance_reuse import GuidanceReuse
from obclip_cli.cloud.accelerate.overriding import Overrides
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention
from obclip_cli.cloud.accelerate.shared_first_step import SharedFirstStep
from obclip_cli.cloud.accelerate.shared_trunk import SharedTrunk
from obclip_cli.cloud.accelerate.step_kinds import by_kind
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

# In the order in which the paper's tables add them, ours last. An earlier one is put around the later ones: what runs
# fewer rows (guidance, trunk) around what shares the first step of those rows.
ACCELERATIONS: list[type[Acceleration]] = [
    AttentionCache,
    BlockSkip,
    PivotAttention,
    GuidanceReuse,
    SharedTrunk,
    SharedFirstStep,
]


class Attachable(Protocol):
    """What can be attached to a model: an acceleration or a recorder."""

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None: ...

    def detach(self) -> None: ...


def accelerations(cache: CacheConfig) -> list[Acceleration]:
    """Those that are configured, in the order of `ACCELERATIONS`."""
    return [part for kind in ACCELERATIONS if (part := kind.of(cache)) is not None]


def are_exact(cache: CacheConfig) -> bool:
    """Whether images stay what they are, but for rounding."""
    return all(part.is_exact for part in accelerations(cache))


@contextmanager
def attached(
    unet: UNet2DConditionModel, chosen: Sequence[Attachable], context: StepContext, *, compiles: bool = False
) -> Iterator[None]:
    """Put accelerations on the model, the first one outermost, and take them off again, also after an error.

    Args:
        compiles: run the model compiled for each kind of step.

    Raises:
        UserError: the model takes image prompts, whose rows and attention no acceleration knows.
    """
    if chosen and unet.config.encoder_hid_dim_type not in (None, "text_proj"):
        raise UserError("accelerations do not work with an IP-Adapter or another image prompt; unload it from the UNet")
    done: list[Attachable] = []
    outermost, parts = Overrides(), [part for part in chosen if isinstance(part, Acceleration)]
    try:
        for part in reversed(chosen):
            part.attach(unet, context)
            done.append(part)
        if parts or compiles:
            outermost.put(unet, by_kind(parts, context, compiles=compiles))
        yield
    finally:
        outermost.remove()
        for part in reversed(done):
            part.detach()
