"""The ways to multiply one map with all rows' values: each against fp64, and which of them is taken."""

import logging

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from obclip_cli.cloud.accelerate import shared_maps
from obclip_cli.cloud.accelerate.shared_maps import WAYS, rows_together, shared_attention, way_for

# (rows, heads, channels of a head, queries, keys): SD's self- and cross-attention, SDXL's, and heads too wide to group.
SHAPES = [(12, 8, 40, 96, 96), (7, 8, 40, 96, 77), (12, 2, 64, 64, 64), (5, 2, 64, 64, 77), (3, 2, 160, 16, 16)]
Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(rows: int, heads: int, size: int, queries: int, keys: int, **kind: object) -> Inputs:
    torch.manual_seed(0)
    width = heads * size
    shapes = (1, queries, width), (1, keys, width), (rows, keys, width)
    query, key, values = (torch.empty(shape, **kind) for shape in shapes)  # type: ignore[call-overload]
    return (query, key, values) if kind else (query.normal_(), key.normal_(), values.normal_())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_is_exact(way: str, shape: tuple[int, int, int, int, int]) -> None:
    rows, heads, size, *_ = shape
    query, key, values = inputs(*shape)
    q, k, v = (part.double().unflatten(2, (heads, size)).transpose(1, 2) for part in (query, key, values))
    expected = ((q @ k.transpose(2, 3) * size**-0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
    found = WAYS[way](query, key, values, heads, size**-0.5)
    assert found.shape == expected.shape == (rows, query.shape[1], heads * size)
    assert (found - expected).abs().max() < 1e-6 * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize(("rows", "size", "together"), [(12, 40, 3), (7, 40, 3), (4, 40, 2), (12, 64, 2), (12, 80, 1)])
def test_groups_are_even_and_no_wider_than_the_kernels_take(rows: int, size: int, together: int) -> None:
    assert rows_together(rows, size) == together


def test_a_cpu_takes_slices() -> None:
    query, key, values = inputs(2, 2, 8, 4, 4)
    assert way_for(query, key, values, 2, 1.0) == "slices"
    assert torch.equal(
        shared_attention(query, key, values, heads=2, scale=1.0), WAYS["slices"](query, key, values, 2, 1.0)
    )


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        ([3, 1, 4, 2], "wide, cuDNN"),
        ([3, float("inf"), 4, 2], "alone"),  # cuDNN does not take such a V; reuse would lose
        ([1, 2, 2, 2], "slices"),
    ],
)
def test_cuda_takes_the_fastest_and_says_so_once(
    seconds: list[float], taken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []

    def timed(way: object, *_: object) -> float:
        asked.append(seconds[len(asked)])
        return asked[-1]

    monkeypatch.setattr(shared_maps, "seconds_of", timed)
    monkeypatch.setattr(shared_maps, "_chosen", {})
    with FakeTensorMode(), caplog.at_level(logging.INFO):
        found = [way_for(*inputs(12, 8, 40, 64, 64, device="cuda"), 8, 1.0) for _ in range(2)]
    assert found == [taken, taken] and len(asked) == len(WAYS)
    assert len(caplog.messages) == 1 and taken in caplog.messages[0]
    assert ("as good as without reuse" in caplog.messages[0]) == (taken == "alone")


class Launches(TorchDispatchMode):
    """Operations that are no views and make no empty tensor: what a device is given to do."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):  # type: ignore[no-untyped-def]
        name = str(operation)
        self.count += name.startswith("aten.") and not (operation.is_view or "empty" in name or "_unsafe_view" in name)
        return operation(*arguments, **(keywords or {}))


def test_on_cuda_slices_of_a_layer_of_sd_are_a_handful_of_launches() -> None:
    """64x64 latents, 12 rows; on a CPU the slices fit into its cache."""
    counts = {}
    for device in ("cpu", "cuda"):
        with FakeTensorMode(), Launches() as launches:
            WAYS["slices"](*inputs(12, 8, 40, 4096, 4096, device=device, dtype=torch.float16), 8, 40**-0.5)
        counts[device] = launches.count
    assert counts["cuda"] <= 8 and counts["cpu"] > 300
