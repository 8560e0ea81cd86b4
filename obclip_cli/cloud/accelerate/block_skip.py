"""Block skip: after the skip point s, only the up blocks and conv_out run.

Source: arXiv 2510.04153, Section 4.2, after Faster Diffusion (arXiv 2312.09608). The up blocks get the
skip connections and the mid output of the last full step. With `fresh_conv_in` the outermost skip
connection comes from the current latents (the paper's up block keeps z as an input); without it, as in
Faster Diffusion, from the last full step.
"""

from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError


class BlockSkip(Acceleration):
    """Replaces the `forward` of down blocks and mid block by their last results in skipped steps.

    Args:
        skip_point: s >= 1, counted in cloud steps; steps 0..s-1 are full.
        fresh_conv_in: whether skipped steps run conv_in on the current latents.

    Raises:
        UserError: the first step would skip what no step has computed.
    """

    label, method_name = "block skip", "cache"

    def __init__(self, *, skip_point: int, fresh_conv_in: bool = True) -> None:
        if skip_point < 1:
            raise UserError(f"cache.skip_point={skip_point} must be at least 1: step 0 has nothing to go on from")
        self.skip_point, self.fresh_conv_in = skip_point, fresh_conv_in
        self.overrides = Overrides()

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On where there is a skip point."""
        return None if cache.skip_point is None else cls(skip_point=cache.skip_point, fresh_conv_in=cache.fresh_conv_in)

    def kind(self, step: int) -> str | None:
        """From s on blocks are skipped, with or without conv_in."""
        if step < self.skip_point:
            return None
        return "all but conv_in" if self.fresh_conv_in else "all"

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Make each block that is skipped remember its last result."""
        self.context = context
        blocks = [*unet.down_blocks]
        if unet.mid_block is not None:
            blocks.append(unet.mid_block)
        if not self.fresh_conv_in:
            blocks.append(unet.conv_in)
        for block in blocks:
            self.overrides.put(block, self._remembering)

    def _remembering(self, original: Forward) -> Forward:
        last: dict[str, Any] = {}

        def forward(*args: Any, **kwargs: Any) -> Any:
            if last and self.kind(self.context.step):
                return self._whole(last["result"])
            last["result"] = original(*args, **kwargs)
            return last["result"]

        return forward

    def _whole(self, result: Any) -> Any:
        """A down block gives (hidden states, skip connections), the others one tensor."""
        if isinstance(result, torch.Tensor):
            return self.context.whole(result)
        return tuple(self._whole(part) for part in result)

    def detach(self) -> None:
        """Give the blocks their own `forward` back, and with it forget all results."""
        self.overrides.remove()
