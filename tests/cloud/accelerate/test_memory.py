"""Pivot attention never holds the whole map, and stays below stock attention's peak memory."""

import weakref
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from obclip_cli.cloud.accelerate.pivot_attention import SLICE_ELEMENTS, PivotAttention, _SharingProcessor, slices
from obclip_cli.cloud.accelerate.position import Position

ROWS, TOKENS, HEADS, WIDTH = 12, 64 * 64, 8, 320  # SD-v1.4's first level at N = 6, with guidance
FLOAT32 = 4  # bytes


class Watch(TorchDispatchMode):
    """The memory of all tensors that operations make, as long as they live.

    What a kernel takes inside itself is not seen; that of a fused attention kernel would only add to its side.

    Attributes:
        peak: most bytes alive at once.
        largest: bytes of the largest single allocation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.peak = self.largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = {_key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = function(*args, **kwargs)
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and _key(leaf) not in known:
                self._follow(leaf.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.alive:
            return
        self.alive[key] = size
        weakref.finalize(storage, self.alive.pop, key)
        self.peak = max(self.peak, sum(self.alive.values()))
        self.largest = max(self.largest, size)


def _key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def watched(attention: Attention, hidden_states: torch.Tensor) -> tuple[Watch, torch.Tensor]:
    with torch.no_grad(), Watch() as watch:
        result = attention(hidden_states)
    return watch, result


def test_the_watch_sees_what_lives_and_what_is_gone() -> None:
    with Watch() as watch:
        first = torch.zeros(100)
        second = first.view(10, 10) + 1
        del first
        third = torch.zeros(50)
        del second, third
        torch.zeros(120)
    assert (watch.peak, watch.largest) == (200 * FLOAT32, 120 * FLOAT32)
    assert watch.alive == {}


@pytest.mark.slow
def test_peak_memory_at_64x64_latents_is_below_stock_attentions() -> None:
    torch.manual_seed(0)
    attention = Attention(WIDTH, heads=HEADS, dim_head=WIDTH // HEADS, processor=AttnProcessor2_0()).eval()
    hidden_states = torch.randn(1, TOKENS, WIDTH).expand(ROWS, -1, -1).contiguous()
    stock, expected = watched(attention, hidden_states)
    pivots = PivotAttention()
    pivots.position = Position(unconditional=ROWS // 2, conditional=ROWS // 2)
    attention.set_processor(_SharingProcessor("attn1", attention.processor, pivots))
    shared, found = watched(attention, hidden_states)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)  # equal rows: sharing is exact but for rounding
    rows_of_values = ROWS * TOKENS * WIDTH * FLOAT32
    # Stock: queries, keys, values, what they make and its projection. Shared: three of these, and slices.
    assert stock.peak >= 5 * rows_of_values
    assert shared.peak < 0.7 * stock.peak
    # No tensor is larger than the rows' values themselves or a slice of the map.
    assert shared.largest <= max(rows_of_values, SLICE_ELEMENTS * FLOAT32) < HEADS * TOKENS * TOKENS * FLOAT32


@pytest.mark.parametrize(("length", "most"), [(10, 3), (10, 10), (10, 99), (1, 1)])
def test_slices_cover_all_once(length: int, most: int) -> None:
    found = [list(range(length))[part] for part in slices(length, most)]
    assert [place for part in found for place in part] == list(range(length))
    assert max(len(part) for part in found) <= most
