"""Multiply-accumulates of denoising steps, counted on torch's meta device: no weights, seconds for SDXL.

Source: torch.utils.flop_counter, which counts two operations a multiply-accumulate. What is counted is the code
that runs: the real UNet with the real accelerations on it, for the whole batch.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.utils.flop_counter import FlopCounterMode

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.accelerate.attention_cache import reuses
from obclip_cli.cloud.server import chunked
from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.diffusion.architectures import TIME_IDS, pooled_text_width
from obclip_cli.diffusion.denoise import StepContext

aten = torch.ops.aten
KINDS = {
    aten.convolution: "convolution",
    aten.mm: "linear",
    aten.addmm: "linear",
    aten.baddbmm: "query_key",
    aten.bmm: "attention_value",
}


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates by kind; `query_key` and `attention_value` are the two attention products."""

    convolution: int = 0
    linear: int = 0
    query_key: int = 0
    attention_value: int = 0

    def __add__(self, other: "Macs") -> "Macs":
        return Macs(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> "Macs":
        return Macs(*(a * times for a in astuple(self)))

    @property
    def total(self) -> int:
        """Everything: the convention `full`."""
        return sum(astuple(self))

    @property
    def paper_cloud(self) -> int:
        """The paper's convention for its cloud models: one of the two attention products."""
        return self.convolution + self.linear + self.query_key

    @property
    def paper_device(self) -> int:
        """The paper's convention for its compressed models: no attention product."""
        return self.convolution + self.linear


def unet_macs(config: Mapping[str, Any], tokens: int) -> int:
    """Multiply-accumulates of one pass with one row at the model's own resolution.

    Args:
        config: the UNet's configuration.
        tokens: length of the text sequence.
    """
    return pass_macs(config, tokens).total


def pass_macs(config: Mapping[str, Any], tokens: int) -> Macs:
    """One pass with one row, by kind."""
    return steps_macs(config, tokens, candidates=1, guided=False, steps=1, cache=NO_ACCELERATION)[0]


def steps_macs(
    config: Mapping[str, Any],
    tokens: int,
    *,
    candidates: int,
    guided: bool,
    steps: int,
    cache: CacheConfig,
    batch: int | None = None,
) -> list[Macs]:
    """What each of the cloud's `steps` steps costs for all candidates, as the accelerations change it.

    Args:
        guided: whether each candidate has an unconditional row.
        batch: most rows at once; a larger set runs in chunks, each with a shared first step of its own.
    """
    chunks = chunked([""] * candidates, batch=batch or 2 * candidates, guided=guided)
    plain = tuple(sorted((key, _frozen(value)) for key, value in config.items() if not key.startswith("_")))
    costs = []
    for step in range(steps):
        kind = step_kind(cache, step)
        if kind.mixes_rows:
            later = [len(chunk) for chunk in chunks[1:]]
            first = _counted(plain, tokens, len(chunks[0]), guided, kind)
            rest = (_counted(plain, tokens, size, guided, kind, kind.reuse is not None) for size in later)
            costs.append(sum(rest, first))
        else:  # rows do not meet: N candidates cost N times one
            costs.append(_counted(plain, tokens, 1, guided, kind) * candidates)
    return costs


@dataclass(frozen=True)
class StepKind:
    """What a step leaves out; steps of one kind cost the same, so each kind is counted once.

    Attributes:
        reuse: the scope of the pivot, where maps are shared in this step.
        cached: attention results are reused; skipped: down blocks and mid block are.
        shared: it is the first step, and computes once what is equal.
    """

    reuse: str | None
    layers: str
    cached: bool
    skipped: bool
    fresh_conv_in: bool
    shared: bool

    @property
    def mixes_rows(self) -> bool:
        return self.reuse is not None or self.shared


def step_kind(cache: CacheConfig, step: int) -> StepKind:
    """Which kind a step is of, by its position."""
    before = cache.cache_point is None or step < cache.cache_point
    return StepKind(
        reuse=cache.reuse if before else None,
        layers=cache.reuse_layers,
        cached=cache.cache_point is not None and reuses(step, cache_point=cache.cache_point, refresh=cache.refresh),
        skipped=cache.skip_point is not None and step >= cache.skip_point,
        fresh_conv_in=cache.fresh_conv_in,
        shared=cache.shared_first_step and step == 0,
    )


@lru_cache(maxsize=128)
def _counted(
    config: tuple[tuple[str, Any], ...],
    tokens: int,
    candidates: int,
    guided: bool,
    kind: StepKind,
    later_chunk: bool = False,
) -> Macs:
    """One pass of a kind; a pass that reuses results runs after those that make them, which are not counted."""
    cache = CacheConfig(
        reuse=kind.reuse,
        reuse_layers=kind.layers,
        cache_point=1 if kind.cached else None,
        skip_point=1 if kind.skipped else None,
        fresh_conv_in=kind.fresh_conv_in,
        shared_first_step=kind.shared,
    )
    model = _MetaModel(dict(config), tokens, candidates * (2 if guided else 1))
    chunks, passes = (2 if later_chunk else 1), (2 if kind.cached or kind.skipped else 1)
    context = StepContext(chunks=chunks, unconditional=candidates if guided else 0, conditional=candidates)
    with attached(model.unet, accelerations(cache), context):
        for context.chunk, context.step in product(range(chunks), range(passes)):
            counted = model.one_pass()
    return counted


class _MetaModel:
    """A UNet without weights, and a batch of input for it."""

    def __init__(self, config: dict[str, Any], tokens: int, rows: int) -> None:
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(**config).eval()
            # Unfused, so that the two attention products are different operations; the arithmetic is the same.
            self.unet.set_attn_processor(AttnProcessor())
            options = self.unet.config
            self.latents = torch.empty(rows, options.in_channels, options.sample_size, options.sample_size)
            self.timestep = torch.zeros((), dtype=torch.long)
            self.conditions: dict[str, Any] = {
                "encoder_hidden_states": torch.empty(rows, tokens, options.cross_attention_dim)
            }
            if options.addition_embed_type == "text_time":
                self.conditions["added_cond_kwargs"] = {
                    "text_embeds": torch.empty(rows, pooled_text_width(options)),
                    "time_ids": torch.empty(rows, TIME_IDS),
                }
            if options.time_cond_proj_dim is not None:
                self.conditions["timestep_cond"] = torch.empty(rows, options.time_cond_proj_dim)

    def one_pass(self) -> Macs:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.unet(self.latents, self.timestep, return_dict=False, **self.conditions)
        return _by_kind(counter.get_flop_counts()["Global"])


def _by_kind(operations: dict[Any, int]) -> Macs:
    """Sort the counter's operations.

    Raises:
        KeyError: one that no part of the model should run.
    """
    found = Macs()
    for operation, flops in operations.items():
        found += Macs(**{KINDS[operation]: flops // 2})
    return found


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value
