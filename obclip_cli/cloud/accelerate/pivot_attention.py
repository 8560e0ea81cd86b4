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
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

# Elements of attention map held at once; the whole map of a large image never is.
SLICE_ELEMENTS = 1 << 21
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
        place = (layer, self.context.step, number)
        if self.context.chunk > 0:
            return self.remembered[place]
        row = slice(pivot, pivot + 1)
        made = attn.to_q(hidden_states[row]), attn.to_k(context[row])
        if self.context.chunks > 1:
            self.remembered[place] = made
        return made

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


def shared_attention(
    query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, *, heads: int, scale: float
) -> torch.Tensor:
    """softmax(Q K^T) of one row times the V of all rows, laid side by side; exact (Algorithm 2).

    The map is made in slices, of whole heads where one head's map is small and of queries where it is not, so that
    the map and the rows' V side by side are held for a slice only.

    Args:
        query: (1, L, width); key: (1, S, width); values: (rows, S, width).

    Returns:
        (rows, L, width).
    """
    rows, keys, width = values.shape
    length, size = query.shape[1], width // heads
    query = query.view(length, heads, size).transpose(0, 1)
    key = key.view(keys, heads, size).permute(1, 2, 0)
    values = values.view(rows, keys, heads, size)
    result = values.new_empty(rows, length, heads, size)
    unused = query.new_empty(1, 1, 1)
    for some in slices(heads, max(1, SLICE_ELEMENTS // (length * keys))):
        wide = values[:, :, some].permute(2, 1, 0, 3).flatten(2)
        for few in slices(length, max(1, SLICE_ELEMENTS // (len(wide) * keys))):
            scores = torch.baddbmm(unused, query[some, few], key[some], beta=0, alpha=scale)
            maps = scores.softmax(dim=-1, dtype=torch.float32).to(wide.dtype)
            attended = torch.bmm(maps, wide).unflatten(2, (rows, size))
            result[:, few, some] = attended.permute(2, 1, 0, 3)
    return result.flatten(2)


def slices(length: int, most: int) -> list[slice]:
    """0..length-1 in order, at most `most` at a time."""
    return [slice(start, min(start + most, length)) for start in range(0, length, most)]


def _check_plain(attn: Any, layer: str) -> None:
    extra = ("group_norm", "spatial_norm", "norm_q", "norm_k", "norm_cross", "residual_connection")
    if any(getattr(attn, name, None) for name in extra) or getattr(attn, "rescale_output_factor", 1) != 1:
        raise UserError(f"cache.reuse cannot share the maps of {layer}, which normalises or rescales; set it to null")
