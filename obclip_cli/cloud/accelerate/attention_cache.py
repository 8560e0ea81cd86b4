"""Attention cache: after the cache point r, self- and cross-attention results are reused.

Source: arXiv 2510.04153, Section 4.2, after T-GATE (arXiv 2404.02747). Stored is the tensor after
`to_out`; the residual is added outside, so reuse keeps the current hidden states. Both halves of
the guided batch keep their own results.
"""

from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.remembering import Memory
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError


class AttentionCache(Acceleration):
    """Reuses every attention result from step `cache_point` on.

    Args:
        cache_point: r >= 1, counted in cloud steps; steps 0..r-1 compute attention.
        refresh: compute again at steps r + refresh, r + 2 refresh ...; None: never.
        order: of the extrapolation over steps (see `remembering`).

    Raises:
        UserError: the first step would reuse what no step has computed.
    """

    label, method_name = "attention cache", "cache"

    def __init__(self, *, cache_point: int, refresh: int | None = None, order: int = 0) -> None:
        if cache_point < 1:
            raise UserError(f"cache.cache_point={cache_point} must be at least 1: step 0 has nothing to reuse")
        self.cache_point, self.refresh, self.order = cache_point, refresh, order
        self.unet: UNet2DConditionModel | None = None
        self.processors: dict[str, Any] = {}
        self.memories: list[Memory] = []

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On where there is a cache point."""
        if cache.cache_point is None:
            return None
        return cls(cache_point=cache.cache_point, refresh=cache.refresh, order=cache.order)

    def kind(self, step: int) -> str | None:
        """From r on the last results are reused, but for the steps that refresh them."""
        after = step - self.cache_point
        refreshes = self.refresh is not None and after > 0 and after % self.refresh == 0
        return "reused" if after >= 0 and not refreshes else None

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap every attention processor."""
        self.unet, self.context, self.processors = unet, context, dict(unet.attn_processors)
        unet.set_attn_processor({name: _CachingProcessor(p, self) for name, p in self.processors.items()})

    def settle(self) -> None:
        """Copy the results."""
        for memory in self.memories:
            memory.settle()

    def detach(self) -> None:
        """Put the model's own processors back and forget all results."""
        self.memories.clear()
        if self.unet is not None:
            self.unet.set_attn_processor(dict(self.processors))
        self.unet, self.processors = None, {}


class _CachingProcessor:
    """Runs the processor it wraps, or returns what follows from what that gave last."""

    def __init__(self, wrapped: Any, cache: AttentionCache) -> None:
        self.wrapped, self.cache = wrapped, cache
        self.memory = Memory(cache.order)
        cache.memories.append(self.memory)

    def __call__(self, attn: Any, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        context = self.cache.context
        if self.memory and self.cache.now():
            return self.memory.at(context)
        return self.memory.keep(context, self.wrapped(attn, hidden_states, *args, **kwargs))
