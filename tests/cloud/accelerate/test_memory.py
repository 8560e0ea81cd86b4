"""Pivot attention never holds the whole map, and stays below stock attention's peak memory."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention, _SharingProcessor
from obclip_cli.cloud.accelerate.shared_maps import SLICE_ELEMENTS, slices
from obclip_cli.diffusion.denoise import StepContext
from tests.live_memory import Watch

ROWS, TOKENS, HEADS, WIDTH = 12, 64 * 64, 8, 320  # SD-v1.4's first level at N = 6, with guidance
FLOAT32 = 4  # bytes


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
    pivots.context = StepContext(unconditional=ROWS // 2, conditional=ROWS // 2)
    attention.set_processor(_SharingProcessor("attn1", attention.processor, pivots))
    shared, found = watched(attention, hidden_states)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)  # equal rows: sharing is exact but for rounding
    rows_of_values = ROWS * TOKENS * WIDTH * FLOAT32
    # Stock: queries, keys, values, what they make and its projection. Shared: three of these, and slices.
    assert stock.peak >= 5 * rows_of_values
    assert shared.peak < 0.7 * stock.peak
    # No tensor is larger than the rows' values themselves or a slice of the map.
    assert shared.largest <= max(rows_of_values, SLICE_ELEMENTS["cpu"] * FLOAT32) < HEADS * TOKENS * TOKENS * FLOAT32


@pytest.mark.parametrize(("length", "most"), [(10, 3), (10, 10), (10, 99), (1, 1)])
def test_slices_cover_all_once(length: int, most: int) -> None:
    found = [list(range(length))[part] for part in slices(length, most)]
    assert [place for part in found for place in part] == list(range(length))
    assert max(len(part) for part in found) <= most
