"""Shared first step: what is equal for all candidates in the cloud's first step is computed once. Exact.

Ours, not the paper's. All candidates start from one z_T, so in the first step the unconditional rows are
one row, and everything before the first cross-attention is one row for the whole batch. Where the time
embedding carries the prompt (SDXL's pooled text), only conv_in comes before the prompt.
"""

from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.fewer_rows import conditions, has_residuals, with_rows
from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext

ROUNDING = 1e-2


class SharedFirstStep(Acceleration):
    """Runs the first step with one unconditional row, and with one row as long as all are equal."""

    label = method_name = "shared first step"
    is_exact = shares_work = True

    def __init__(self) -> None:
        self.overrides = Overrides()
        self.sharing = False

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On unless it is turned off."""
        return cls() if cache.shared_first_step else None

    def kind(self, step: int) -> str | None:
        """Only the first step."""
        return "shared" if step == 0 else None

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap the model's `forward` and that of every module before the first cross-attention."""
        self.context = context
        for module in modules_before_the_prompt(unet):
            self.overrides.put(module, self._once)
        self.overrides.put(unet, self._fewer_rows)

    def _fewer_rows(self, original: Forward) -> Forward:
        def forward(sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **kwargs: Any) -> Any:
            context = self.context
            unconditional = context.unconditional
            is_first = self.now() is not None and not has_residuals(kwargs)
            kwargs["encoder_hidden_states"] = encoder_hidden_states
            if not is_first or not self._starts_alike(sample, encoder_hidden_states[:unconditional]):
                return original(sample, timestep, **kwargs)

            def rows(values: torch.Tensor) -> torch.Tensor:
                return torch.cat([values[:1], values[unconditional:]]) if unconditional > 1 else values

            self.sharing, context.unconditional = True, min(unconditional, 1)
            try:
                result = original(rows(sample), timestep, **conditions(kwargs, rows))
            finally:
                self.sharing, context.unconditional = False, unconditional
            return with_rows(result, context.whole)

        return forward

    def _starts_alike(self, sample: torch.Tensor, unconditional: torch.Tensor) -> bool:
        """Whether the rows start from one latent and one empty prompt: as the context says, else by comparing them,
        which makes an accelerator wait.
        """
        said = self.context.same_start
        return _equal(sample) and _alike(unconditional) if said is None else said

    def _once(self, original: Forward) -> Forward:
        def forward(*args: Any, **kwargs: Any) -> Any:
            if not self.sharing:
                return original(*args, **kwargs)
            rows = len(args[0])
            result = original(*(_first(arg) for arg in args), **{name: _first(arg) for name, arg in kwargs.items()})
            return result.expand(rows, *result.shape[1:])

        return forward

    def detach(self) -> None:
        """Give every module its own `forward` back."""
        self.overrides.remove()


def modules_before_the_prompt(unet: UNet2DConditionModel) -> list[nn.Module]:
    """The modules whose inputs do not yet depend on the prompt, from conv_in to the first self-attention."""
    found: list[nn.Module] = [unet.conv_in]
    if unet.config.addition_embed_type is not None:
        return found
    for block in unet.down_blocks:
        if attentions := getattr(block, "attentions", None):
            transformer = attentions[0]
            first = transformer.transformer_blocks[0]
            found += [block.resnets[0], transformer.norm, transformer.proj_in, first.norm1]
            return found if first.only_cross_attention else [*found, first.attn1]
        found += [*block.resnets, *(block.downsamplers or [])]
    return found


def _equal(sample: torch.Tensor) -> bool:
    """Whether all rows start from one latent."""
    return bool((sample == sample[:1]).all())


def _alike(embeds: torch.Tensor) -> bool:
    """Whether the unconditional rows are of one prompt, whose embeddings differ by the rounding of their batch."""
    return len(embeds) < 2 or bool((embeds - embeds[:1]).abs().max() <= ROUNDING * embeds.abs().max())


def _first(argument: Any) -> Any:
    return argument[:1] if isinstance(argument, torch.Tensor) else argument
