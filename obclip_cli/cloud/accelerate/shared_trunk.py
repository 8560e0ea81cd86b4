"""Shared trunk: the cloud's first m steps run once for all candidates, on the mean of their prompt embeddings.

Ours, not the paper's. All candidates start from one z_T and have the same layout in their first steps; what they have
in common is a function of the candidate set alone, so the request and what it tells (Theorem 1) stay as they are. The
rows are the mean's (and the empty prompt's); every candidate's solver sees the same prediction and so goes on with the
same latents and history. It costs attributes where m is large: at most two of 25 steps keep them.
"""

from functools import partial
from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.fewer_rows import check_plain, conditions, with_rows
from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError


class SharedTrunk(Acceleration):
    """Runs the first steps with one conditional row, the mean of all candidates, and one unconditional row.

    Pooled text (SDXL) is averaged as the prompt is. A set that runs in chunks has the mean of the whole set in each.

    Args:
        steps: m >= 1, counted in cloud steps.
    """

    label, method_name = "shared trunk", "trunk"
    mixes_rows = shares_work = True

    def __init__(self, steps: int) -> None:
        self.steps, self.overrides = steps, Overrides()
        self.mean: dict[str, Any] = {}

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On where there are steps to share."""
        return None if cache.trunk is None else cls(cache.trunk)

    def kind(self, step: int) -> str | None:
        """The first steps."""
        return "mean of the candidates" if step < self.steps else None

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap the model's `forward`, and average the whole set where it runs in chunks."""
        self.context = context
        if context.whole_set is not None:
            whole = context.whole_set()
            unconditional = len(whole.prompt_embeds) // 2 if whole.guided else 0
            self.mean = conditions(whole.arguments(), partial(mean_rows, unconditional=unconditional))
        self.overrides.put(unet, self._once)

    def _once(self, original: Forward) -> Forward:
        def forward(sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **kwargs: Any) -> Any:
            context, kwargs = self.context, kwargs | {"encoder_hidden_states": encoder_hidden_states}
            if self.now() is None:
                return original(sample, timestep, **kwargs)
            check_plain(kwargs, "trunk")
            if not context.same_start and context.step == 0:
                _check_equal(sample)
            arguments, unconditional, conditional = self._mean(kwargs), context.unconditional, context.conditional
            context.unconditional, context.conditional = min(unconditional, 1), 1
            try:
                result = original(sample[: context.rows], timestep, **arguments)
            finally:
                context.unconditional, context.conditional = unconditional, conditional
            return with_rows(result, context.whole)

        return forward

    def _mean(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The conditions of the mean of all candidates, which are these rows unless the set runs in chunks."""
        unconditional = self.context.unconditional
        if not self.mean:
            return conditions(arguments, partial(mean_rows, unconditional=unconditional))
        return arguments | conditions(self.mean, lambda rows: rows[-1 - min(unconditional, 1) :])

    def detach(self) -> None:
        """Give the model its own `forward` back and forget the mean."""
        self.overrides.remove()
        self.mean = {}


def mean_rows(rows: torch.Tensor, unconditional: int) -> torch.Tensor:
    """The first unconditional row, if any, and the mean of the others: (1 or 2, ...)."""
    mean = rows[unconditional:].mean(dim=0, keepdim=True, dtype=torch.float32).to(rows.dtype)
    return torch.cat([rows[: min(unconditional, 1)], mean])


def _check_equal(sample: torch.Tensor) -> None:
    if not bool((sample == sample[:1]).all()):
        raise UserError("cache.trunk needs all rows to start from one noise; give the same latents for every prompt")
