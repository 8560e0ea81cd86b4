"""Block skip: from the skip point s on, only some of the blocks run.

Source: arXiv 2510.04153, Section 4.2, after Faster Diffusion (arXiv 2312.09608): only the up blocks and conv_out run;
they get the skip connections and the mid output of the last whole step. With `fresh_conv_in` the outermost skip
connection comes from the current latents (the paper's up block keeps z as an input); without it, as in Faster
Diffusion, from the last whole step. `deep` cuts elsewhere, as DeepCache (arXiv 2312.00858) does: the outermost level
runs, and everything below it is left out. With `every` a whole step comes back regularly, so that the results do not
drift away.
"""

from typing import Any, Self

from diffusers import UNet2DConditionModel
from torch import nn

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.cloud.accelerate.remembering import Memory
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError


class BlockSkip(Acceleration):
    """Replaces the `forward` of blocks by their last results in skipped steps.

    Args:
        skip_point: s >= 1, counted in cloud steps; steps 0..s-1 are whole.
        fresh_conv_in: whether skipped steps run conv_in on the current latents.
        every: one of so many steps from s on is whole, the last of them; None: none is.
        levels: encoder (down blocks and mid block), or deep (all blocks but the first and the last).
        order: of the extrapolation over steps (see `remembering`).

    Raises:
        UserError: the first step would skip what no step has computed.
    """

    label, method_name = "block skip", "cache"

    def __init__(
        self,
        *,
        skip_point: int,
        fresh_conv_in: bool = True,
        every: int | None = None,
        levels: str = "encoder",
        order: int = 0,
    ) -> None:
        if skip_point < 1:
            raise UserError(f"cache.skip_point={skip_point} must be at least 1: step 0 has nothing to go on from")
        self.skip_point, self.fresh_conv_in = skip_point, fresh_conv_in
        self.every, self.levels, self.order = every, levels, order
        self.overrides = Overrides()
        self.memories: list[Memory] = []

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On where there is a skip point, or steps are skipped regularly."""
        if (first := cache.first_skipped) is None:
            return None
        how: dict[str, Any] = {"every": cache.skip_every, "levels": cache.skip_levels, "order": cache.order}
        return cls(skip_point=first, fresh_conv_in=cache.fresh_conv_in, **how)

    def kind(self, step: int) -> str | None:
        """From s on blocks are skipped, but for the steps that are whole again."""
        after = step - self.skip_point
        if after < 0 or (self.every is not None and (after + 1) % self.every == 0):
            return None
        if self.levels == "deep":
            return "all but the outermost level"
        return "all but conv_in" if self.fresh_conv_in else "all"

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Make each block that is skipped remember its last results."""
        self.context = context
        for block in self._skipped(unet):
            self.overrides.put(block, self._remembering)

    def _skipped(self, unet: UNet2DConditionModel) -> list[nn.Module]:
        middle = [] if unet.mid_block is None else [unet.mid_block]
        if self.levels == "deep":
            return [*unet.down_blocks[1:], *middle, *unet.up_blocks[:-1]]
        return [*unet.down_blocks, *middle, *([] if self.fresh_conv_in else [unet.conv_in])]

    def _remembering(self, original: Forward) -> Forward:
        memory = Memory(self.order)
        self.memories.append(memory)

        def forward(*args: Any, **kwargs: Any) -> Any:
            if memory and self.now():
                return memory.at(self.context)
            return memory.keep(self.context, original(*args, **kwargs))

        return forward

    def settle(self) -> None:
        """Copy the results."""
        for memory in self.memories:
            memory.settle()

    def detach(self) -> None:
        """Give the blocks their own `forward` back, and with it forget all results."""
        self.memories.clear()
        self.overrides.remove()
