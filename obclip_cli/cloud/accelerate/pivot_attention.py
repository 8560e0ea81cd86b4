"""Pivot attention: before the cache point r, one row's attention maps serve the whole batch.

Source: arXiv 2510.04153, Algorithm 2. softmax(Q K^T) is computed for the pivot only and multiplied with
every row's V; to_q, to_k and the softmax of the other rows are not computed. The pivot is the first row of the batch,
where the server puts the candidate that `pivot_place` draws: choosing it by the real prompt would give that away, and
the first of the canonical order always has the same gender and age.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Self

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.shared_maps import shared_attention
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

QueryAndKey = tuple[torch.Tensor, torch.Tensor]


class PivotAttention(Acceleration):
    """Shares attention maps before step `stop`.

    Args:
        scope: `all`: one pivot for all rows, as the paper's costs imply; `branch`: one for the conditional rows and
            one for the unconditional ones.
        layers: self, cross or both.
        stop: r, the first step that does not share; None: all steps share.
    """

    label, method_name = "pivot attention", "reuse"
    mixes_rows = shares_work = True

    def __init__(self, scope: str = "all", *, layers: str = "both", stop: int | None = None) -> None:
        self.scope, self.layers, self.stop = scope, layers, stop
        self.unet: UNet2DConditionModel | None = None
        self.processors: dict[str, Any] = {}
        self.remembered: dict[tuple[str, int, int], QueryAndKey] = {}

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """On before the cache point, where one pivot serves all rows or a branch."""
        return None if cache.reuse is None else cls(cache.reuse, layers=cache.reuse_layers, stop=cache.cache_point)

    def kind(self, step: int) -> tuple[str, str] | None:
        """Scope and layers, as long as maps are shared."""
        return (self.scope, self.layers) if self.stop is None or step < self.stop else None

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Put a sharing processor on each chosen attention layer.

        Raises:
            UserError: an attention layer does more than queries, keys, values and an output.
        """
        self.unet, self.context, self.processors = unet, context, dict(unet.attn_processors)
        kind = {"self": "attn1", "cross": "attn2", "both": ""}[self.layers]
        sharing = {}
        for name, processor in self.processors.items():
            layer = name.removesuffix(".processor")
            _check_plain(unet.get_submodule(layer), layer)
            chosen = layer.rpartition(".")[2].startswith(kind)
            sharing[name] = _SharingProcessor(layer, processor, self) if chosen else processor
        unet.set_attn_processor(sharing)

    def groups(self, rows: int) -> list[slice]:
        """The rows that share a map; `pivot` says whose it is."""
        unconditional = self.context.unconditional
        if rows == 1 or unconditional == 0:  # one row: all are still equal (shared first step)
            return [slice(0, rows)]
        if self.scope == "branch":
            return [slice(0, unconditional), slice(unconditional, rows)]
        return [slice(0, rows)]

    def pivot(self, group: slice) -> int:
        """The first conditional row of the group, or its first row."""
        return self.context.unconditional if group.start < self.context.unconditional < group.stop else group.start

    def query_and_key(
        self, layer: str, number: int, attn: Any, hidden_states: torch.Tensor, context: torch.Tensor, pivot: int
    ) -> QueryAndKey:
        """The pivot's (1, L, width) and (1, S, width); of the first chunk for all chunks."""
        if self.context.chunk > 0:
            return self.remembered[layer, self.context.step, number]
        row = slice(pivot, pivot + 1)
        made = attn.to_q(hidden_states[row]), attn.to_k(context[row])
        if self.context.chunks > 1:
            self.remembered[layer, self.context.step, number] = made
        return made

    def settle(self) -> None:
        """Copy the queries and keys that later chunks use."""
        step = self.context.step
        for place, made in self.remembered.items():
            if place[1] == step and self.context.chunk == 0:
                self.remembered[place] = (made[0].clone(), made[1].clone())

    def detach(self) -> None:
        """Put the model's own processors back and forget all results."""
        if self.unet is not None:
            self.unet.set_attn_processor(dict(self.processors))
        self.unet, self.processors, self.remembered = None, {}, {}


def pivot_place(candidates: Sequence[str]) -> int:
    """Whose maps a candidate set shares: the one whose hash together with the set's is smallest.

    A function of the set alone, so that it tells nothing about the real prompt: every order of the same candidates has
    the same pivot. Over sets, each candidate is as likely as any other.
    """
    whole = sorted(candidates)
    hashes = [hashlib.sha256(json.dumps([whole, candidate]).encode()).digest() for candidate in candidates]
    return hashes.index(min(hashes))


class _SharingProcessor:
    """One layer's attention with its pivot's map, or the processor it replaces."""

    def __init__(self, layer: str, wrapped: Any, pivots: PivotAttention) -> None:
        self.layer, self.wrapped, self.pivots = layer, wrapped, pivots

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        if self.pivots.now() is None:
            return self.wrapped(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)
        if attention_mask is not None or isinstance(encoder_hidden_states, tuple):
            raise UserError("cache.reuse does not work with attention masks or IP-Adapters; set cache.reuse=null")
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        value = attn.to_v(context)
        attended = []
        for number, group in enumerate(self.pivots.groups(len(hidden_states))):
            pivot = self.pivots.pivot(group)
            query, key = self.pivots.query_and_key(self.layer, number, attn, hidden_states, context, pivot)
            attended.append(shared_attention(query, key, value[group], heads=attn.heads, scale=attn.scale))
        result = attended[0] if len(attended) == 1 else torch.cat(attended)
        return attn.to_out[1](attn.to_out[0](result))


def _check_plain(attn: Any, layer: str) -> None:
    extra = ("group_norm", "spatial_norm", "norm_q", "norm_k", "norm_cross", "residual_connection")
    if any(getattr(attn, name, None) for name in extra) or getattr(attn, "rescale_output_factor", 1) != 1:
        raise UserError(f"cache.reuse cannot share the maps of {layer}, which normalises or rescales; set it to null")
