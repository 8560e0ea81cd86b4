"""Guidance reuse: the difference between the conditional and the unconditional prediction, of which classifier-free
guidance takes a multiple, is computed in one of several steps only.

Ours. Between those steps the conditional rows run alone, and the unconditional prediction is taken to be theirs less
the row's last difference: half of the rows are saved. It differs from T-GATE and from adaptive guidance (arXiv
2312.12487) in that guidance goes on to the end, with a difference that is at most `every` - 1 steps old.
"""

from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.fewer_rows import check_plain, conditions, with_rows
from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext


class GuidanceReuse(Acceleration):
    """Leaves the unconditional rows out of most steps. Without guidance there are none, and nothing changes.

    Args:
        every: steps 0, every, 2 every ... compute the difference; at least 2.
    """

    label, method_name = "guidance reuse", "guidance"

    def __init__(self, every: int) -> None:
        self.every, self.overrides = every, Overrides()
        self.difference: torch.Tensor | None = None

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On where a number of steps is set."""
        return None if cache.guidance_every is None else cls(cache.guidance_every)

    def kind(self, step: int) -> str | None:
        """Conditional rows only, but for one of `every` steps."""
        return None if step % self.every == 0 else "conditional rows"

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap the model's `forward`."""
        self.context = context
        self.overrides.put(unet, self._fewer_rows)

    def _fewer_rows(self, original: Forward) -> Forward:
        def forward(sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **kwargs: Any) -> Any:
            unconditional = self.context.unconditional
            kwargs["encoder_hidden_states"] = encoder_hidden_states
            if unconditional == 0:
                return original(sample, timestep, **kwargs)
            check_plain(kwargs, "guidance_every")
            if self.now() is None:
                result = original(sample, timestep, **kwargs)
                without, given = _tensor(result).chunk(2)
                self.difference = given - without
                return result
            self.context.unconditional = 0
            try:
                result = original(sample[unconditional:], timestep, **conditions(kwargs, lambda t: t[unconditional:]))
            finally:
                self.context.unconditional = unconditional
            assert self.difference is not None  # the first step has computed it
            less = self.difference
            return with_rows(result, lambda given: torch.cat([given - less, given]))

        return forward

    def settle(self) -> None:
        """Copy the differences."""
        if self.difference is not None:
            self.difference = self.difference.clone()

    def detach(self) -> None:
        """Give the model its own `forward` back and forget the differences."""
        self.overrides.remove()
        self.difference = None


def _tensor(result: Any) -> torch.Tensor:
    found: torch.Tensor = result[0] if isinstance(result, tuple) else result.sample
    return found
