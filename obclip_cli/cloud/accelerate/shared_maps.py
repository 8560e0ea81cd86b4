"""softmax(Q K^T) of one row times the V of all rows: the kernels behind pivot attention. Exact (Algorithm 2).

There are three ways, whose results differ in rounding only:

- slices: the map itself, multiplied with all rows' V laid side by side. It is made a slice at a time: on a CPU as much
  as its cache holds, on CUDA whole heads, so that a layer is a handful of launches.
- wide: `scaled_dot_product_attention` for groups of rows, whose V is r heads wide, r * d <= 128: no map in memory, and
  (1 + r) / 2r of the products of stock attention. Two kernels take a V wider than Q and K, cuDNN's and the
  memory-efficient one; each is a way of its own.
- alone: the stock kernel for each row, with the pivot's Q and K. Saves their projections and no product: reuse that is
  as good as switched off.

A CPU takes slices. On CUDA the first pass of a shape times all ways, leaves out any whose result is another, and the
fastest serves that shape from then on: so reuse is switched off by itself where it would lose to stock attention. The
choice is logged once.
"""

import logging
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

log = logging.getLogger("obclip.attention")
# Elements of attention map held at once; the whole map of a large image never is, on a CPU.
SLICE_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 28}
WIDEST = 128  # channels of V
TRIES = 3
DIFFERENCE = 0.02  # from stock attention's, of its largest number: more than half precision rounds
Way = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int, float], torch.Tensor]


def shared_attention(
    query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, *, heads: int, scale: float
) -> torch.Tensor:
    """One row's attention map on all rows' values, by the way that fits shape and device.

    Args:
        query: (1, L, width); key: (1, S, width); values: (rows, S, width).

    Returns:
        (rows, L, width).
    """
    way = WAYS[way_for(query, key, values, heads, scale)]
    return way(query, key, values, heads, scale)


def in_slices(query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, heads: int, scale: float) -> torch.Tensor:
    """In slices of whole heads where one head's map is small and of queries where it is not, so that the map and the
    rows' V side by side are held for a slice only.
    """
    rows, keys, width = values.shape
    length, size = query.shape[1], width // heads
    most = SLICE_ELEMENTS["cuda" if values.is_cuda else "cpu"]
    query = query.view(length, heads, size).transpose(0, 1)
    key = key.view(keys, heads, size).permute(1, 2, 0)
    values = values.view(rows, keys, heads, size)
    result = values.new_empty(rows, length, heads, size)
    unused = query.new_empty(1, 1, 1)
    for some in slices(heads, max(1, most // (length * keys))):
        wide = values[:, :, some].permute(2, 1, 0, 3).flatten(2)
        for few in slices(length, max(1, most // (len(wide) * keys))):
            scores = torch.baddbmm(unused, query[some, few], key[some], beta=0, alpha=scale)
            # CUDA's softmax adds up half precision in float32; a copy in float32 would be written and read for nothing.
            maps = scores.softmax(-1) if scores.is_cuda else scores.softmax(-1, dtype=torch.float32).to(wide.dtype)
            attended = torch.bmm(maps, wide).unflatten(2, (rows, size))
            result[:, few, some] = attended.permute(2, 1, 0, 3)
    return result.flatten(2)


def slices(length: int, most: int) -> list[slice]:
    """0..length-1 in order, at most `most` at a time."""
    return [slice(start, min(start + most, length)) for start in range(0, length, most)]


def wide(
    query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, heads: int, scale: float, kernel: SDPBackend
) -> torch.Tensor:
    """Groups of rows, each with one V as wide as `WIDEST` allows; rows of zeros fill the last group."""
    together = rows_together(len(values), values.shape[2] // heads)
    return _grouped(query, key, values, heads, scale, together, kernel)


def alone(query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, heads: int, scale: float) -> torch.Tensor:
    """Groups of one row."""
    return _grouped(query, key, values, heads, scale, 1)


def rows_together(rows: int, size: int) -> int:
    """r, the rows of a group for heads of `size` channels: as many as fit, divided evenly over the groups."""
    groups = -(-rows // max(1, WIDEST // size))
    return -(-rows // groups)


def _grouped(
    query: torch.Tensor,
    key: torch.Tensor,
    values: torch.Tensor,
    heads: int,
    scale: float,
    together: int,
    kernel: SDPBackend | None = None,
) -> torch.Tensor:
    rows, keys, width = values.shape
    size, groups = width // heads, -(-rows // together)
    if groups * together > rows:
        values = F.pad(values, (0, 0, 0, 0, 0, groups * together - rows))
    query, key = (part.unflatten(2, (heads, size)).transpose(1, 2).expand(groups, -1, -1, -1) for part in (query, key))
    values = values.view(groups, together, keys, heads, size).permute(0, 3, 2, 1, 4).flatten(3)
    if kernel is SDPBackend.CUDNN_ATTENTION:  # groups that lie on each other in memory are not for every version of it
        query, key = query.contiguous(), key.contiguous()
    with sdpa_kernel(kernel) if kernel is not None and values.is_cuda else nullcontext():
        attended = F.scaled_dot_product_attention(query, key, values, scale=scale)
    apart = attended.unflatten(3, (together, size)).permute(0, 3, 2, 1, 4)
    return apart.reshape(groups * together, -1, width)[:rows]


WAYS: dict[str, Way] = {
    "slices": in_slices,
    "wide, cuDNN": partial(wide, kernel=SDPBackend.CUDNN_ATTENTION),
    "wide, memory-efficient": partial(wide, kernel=SDPBackend.EFFICIENT_ATTENTION),
    "alone": alone,
}
_chosen: dict[tuple[Any, ...], str] = {}
told_once: dict[str, str] = {}  # the choice for each shape that was met on CUDA, and the time of each way


def way_for(query: torch.Tensor, key: torch.Tensor, values: torch.Tensor, heads: int, scale: float) -> str:
    """The way for a shape on its device: slices on a CPU; on CUDA the fastest, timed once.

    Nothing can be timed while torch.compile looks on: a shape that no pass has met before takes stock attention.
    """
    if not values.is_cuda:
        return "slices"
    shape = (*values.shape, query.shape[1], heads, values.dtype)
    if shape in _chosen:
        return _chosen[shape]
    if torch.compiler.is_compiling():
        return "alone"
    groups = rows_together(values.shape[0], values.shape[2] // heads) > 1
    open_ways = {name: way for name, way in WAYS.items() if groups or not name.startswith("wide")}
    seconds = {name: seconds_of(way, query, key, values, heads, scale) for name, way in open_ways.items()}
    _chosen[shape] = way = min(open_ways, key=seconds.__getitem__)
    told = ", ".join(f"{name} {1e6 * took:.0f} us" for name, took in seconds.items())
    off = " (as good as without reuse)" if way == "alone" else ""
    place = f"values {tuple(values.shape)}, {query.shape[1]} queries, {heads} heads, {str(values.dtype)[6:]}"
    told_once[place] = f"{way}{off}; {told}"
    log.info("pivot attention for %s: %s", place, told_once[place])
    return way


def seconds_of(way: Way, *inputs: Any) -> float:
    """Seconds of a way on CUDA, after a run that loads its kernels; infinite where no kernel or memory is there, or its
    result is not stock attention's.
    """
    try:
        with warnings.catch_warnings():  # that a kernel does not take such tensors is no news
            warnings.simplefilter("ignore")
            found, expected = way(*inputs), alone(*inputs)
        if way is not alone and not bool((found - expected).abs().max() <= DIFFERENCE * expected.abs().max()):
            return float("inf")
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(TRIES):
            way(*inputs)
        end.record()
        end.synchronize()
    except RuntimeError:
        return float("inf")
    return begin.elapsed_time(end) / 1e3 / TRIES
