"""Block skip: after the skip point s, only the up blocks and conv_out run.

Source: arXiv 2510.04153, Section 4.2, after Faster Diffusion (arXiv 2312.09608). The up blocks get the
skip connections and the mid output of the last full step. With `fresh_conv_in` the outermost skip
connection comes from the current latents (the paper's up block keeps z as an input); without it, as in
Faster Diffusion, from the last full step.
"""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn


class BlockSkip:
    """Replaces the `forward` of conv_in, down blocks and mid block by their last results in skipped steps.

    Args:
        skip_point: s >= 1, counted in cloud steps; steps 0..s-1 are full.
        fresh_conv_in: whether skipped steps run conv_in on the current latents.
    """

    def __init__(self, *, skip_point: int, fresh_conv_in: bool = True) -> None:
        self.skip_point, self.fresh_conv_in = skip_point, fresh_conv_in
        self.skipping = False
        self.blocks: list[nn.Module] = []

    def attach(self, unet: UNet2DConditionModel) -> None:
        """Give each skipped block an instance `forward` of its own; the class stays as it is."""
        self.blocks = [*unet.down_blocks]
        if unet.mid_block is not None:
            self.blocks.append(unet.mid_block)
        if not self.fresh_conv_in:
            self.blocks.append(unet.conv_in)
        for block in self.blocks:
            block.forward = self._remembering(block)

    def _remembering(self, block: nn.Module) -> Any:
        original, last = block.forward, dict[str, torch.Tensor | tuple[Any, ...]]()

        def forward(*args: Any, **kwargs: Any) -> Any:
            if not (self.skipping and "result" in last):
                last["result"] = original(*args, **kwargs)
            return last["result"]

        return forward

    def begin_step(self, step: int) -> None:
        """Decide whether this step is skipped."""
        self.skipping = step >= self.skip_point

    def detach(self) -> None:
        """Give the blocks their class's `forward` back, and with it forget all results."""
        for block in self.blocks:
            del block.forward
        self.blocks = []
