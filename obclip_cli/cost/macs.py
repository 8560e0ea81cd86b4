"""Multiply-accumulates of denoising steps, counted on torch's meta device: no weights, seconds for SDXL.

Source: torch.utils.flop_counter, which counts two operations a multiply-accumulate. What is counted is the code
that runs: the real UNet with the real accelerations on it, for the whole batch.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.utils.flop_counter import FlopCounterMode

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.accelerate.acceleration import Acceleration, Kinds, kinds
from obclip_cli.cloud.server import chunked
from obclip_cli.config import CacheConfig
from obclip_cli.cost import memo
from obclip_cli.diffusion.architectures import TIME_IDS, Architecture, pooled_text_width
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.diffusion.schedule import Split

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


def pass_macs(config: Mapping[str, Any], tokens: int) -> Macs:
    """Multiply-accumulates of one pass with one row at the model's own resolution.

    Args:
        config: the UNet's configuration.
        tokens: length of the text sequence.
    """
    return steps_macs(config, tokens, candidates=1, guided=False, steps=1)[0]


def steps_macs(
    config: Mapping[str, Any],
    tokens: int,
    *,
    candidates: int,
    guided: bool,
    steps: int,
    chosen: Sequence[Acceleration] = (),
    batch: int | None = None,
) -> list[Macs]:
    """What each of the cloud's `steps` steps costs for all candidates.

    Each kind of step is counted once. Steps whose rows share no work cost N times what they cost for one candidate.

    Args:
        guided: whether each candidate has an unconditional row.
        chosen: the accelerations.
        batch: most rows at once; a larger set runs in chunks, each with a shared first step of its own.
    """
    chunks = chunked([""] * candidates, batch=batch or 2 * candidates, guided=guided)
    sizes = [len(chunk) for chunk in chunks]
    of_steps = [kinds(chosen, step) for step in range(steps)]
    sharing = {part.label for part in chosen if part.shares_work}
    shared = {kind for kind in of_steps if sharing & {label for label, _ in kind}}
    apart = _counted(config, tokens, guided, [1], chosen, of_steps, set(of_steps) - shared)
    together = _counted(config, tokens, guided, sizes, chosen, of_steps, shared)
    return [together[kind] if kind in shared else apart[kind] * candidates for kind in of_steps]


def run_macs(
    cloud: Architecture, device: Architecture, split: Split, *, cache: CacheConfig, candidates: int, batch: int
) -> tuple[list[Macs], list[Macs]]:
    """Each step of the cloud, for all candidates, and each step of the device, for one.

    Args:
        batch: most rows that the cloud holds at once.
    """
    on_cloud = steps_macs(
        cloud.unet,
        cloud.text_tokens,
        candidates=candidates,
        guided=is_guided(cloud.unet, split.cloud.guidance_scale),
        steps=split.cloud_steps,
        chosen=accelerations(cache),
        batch=batch,
    )
    guided = is_guided(device.unet, split.device.guidance_scale)
    steps = split.device_steps
    return on_cloud, steps_macs(device.unet, device.text_tokens, candidates=1, guided=guided, steps=steps)


# (UNet, tokens, guided, candidates, whether chunks came before, kind) -> the cost of one pass.
_PASSES: dict[Hashable, Macs] = {}


def _counted(
    config: Mapping[str, Any],
    tokens: int,
    guided: bool,
    sizes: list[int],
    chosen: Sequence[Acceleration],
    of_steps: list[Kinds],
    wanted: set[Kinds],
) -> dict[Kinds, Macs]:
    """The wanted kinds of step, each for chunks of these sizes; from the user's cache where it holds them.

    Steps are run in their order, one of each kind, as one may need what another has left.
    """
    code = memo.code_digest(chosen)
    plain = tuple(sorted((key, _frozen(value)) for key, value in config.items() if not key.startswith("_")))
    chunks = [(plain, tokens, guided, size, place > 0) for place, size in enumerate(sizes)]
    if not all(_is_known((*chunk, kind), code) for chunk in dict.fromkeys(chunks) for kind in wanted):
        first = {kind: of_steps.index(kind) for kind in dict.fromkeys(of_steps)}
        last = max(first[kind] for kind in wanted)
        model, context = _MetaModel(dict(plain), tokens), StepContext(chunks=len(sizes), same_start=True)
        with attached(model.unet, chosen, context):
            for context.chunk, chunk in enumerate(dict.fromkeys(chunks)):
                context.conditional, context.unconditional = chunk[3], chunk[3] if guided else 0
                for kind, context.step in first.items():
                    if context.step <= last:
                        counted = _PASSES[(*chunk, kind)] = model.one_pass(context.rows)
                        memo.remember(code, (*chunk, kind), astuple(counted))
    return {kind: sum((_PASSES[(*chunk, kind)] for chunk in chunks), Macs()) for kind in wanted}


def _is_known(step: Hashable, code: str | None) -> bool:
    """Whether a step was counted, by this process or by one before it."""
    if step not in _PASSES and (counts := memo.recall(code, step)) is not None:
        _PASSES[step] = Macs(*counts)
    return step in _PASSES


class _MetaModel:
    """A UNet without weights, and inputs for it."""

    def __init__(self, config: dict[str, Any], tokens: int) -> None:
        self.tokens = tokens
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(**config).eval()
        # Unfused, so that the two attention products are different operations; the arithmetic is the same.
        self.unet.set_attn_processor(AttnProcessor())

    def one_pass(self, rows: int) -> Macs:
        config = self.unet.config
        conditions: dict[str, Any] = {}
        with torch.device("meta"):
            latents = torch.empty(rows, config.in_channels, config.sample_size, config.sample_size)
            embeds = torch.empty(rows, self.tokens, config.cross_attention_dim)
            if config.addition_embed_type == "text_time":
                texts, ids = torch.empty(rows, pooled_text_width(config)), torch.empty(rows, TIME_IDS)
                conditions["added_cond_kwargs"] = {"text_embeds": texts, "time_ids": ids}
            if config.time_cond_proj_dim is not None:
                conditions["timestep_cond"] = torch.empty(rows, config.time_cond_proj_dim)
            step = torch.zeros((), dtype=torch.long)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.unet(latents, step, encoder_hidden_states=embeds, return_dict=False, **conditions)
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
