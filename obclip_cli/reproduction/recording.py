"""Look at what a UNet computes inside one step; attached like an acceleration, and changing nothing."""

from typing import Any

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

# Rows of an attention map that are kept, evenly spaced; the maps of large images would not fit otherwise.
QUERIES = 64
Parts = dict[str, list[torch.Tensor]]


class _Recorder:
    """What both recorders have in common.

    Attributes:
        names: the parts that are recorded separately.
        parts: of the step that runs: for each name a tensor (conditional rows, ...) a layer.
    """

    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.parts: Parts = {name: [] for name in self.names}

    def take(self) -> Parts:
        """What was recorded since the last call."""
        taken, self.parts = self.parts, {name: [] for name in self.names}
        return taken


class AttentionMaps(_Recorder):
    """Records softmax(Q K^T), (rows, heads, queries, keys), and leaves attention to the model's own processors."""

    names = ("self", "cross")

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap every attention processor.

        Raises:
            UserError: the model has no attention, or normalises its queries and keys.
        """
        self.unet, self.context, self.processors = unet, context, dict(unet.attn_processors)
        layers = {name: unet.get_submodule(name.removesuffix(".processor")) for name in self.processors}
        if not layers or any(getattr(layer, "norm_q", None) is not None for layer in layers.values()):
            raise UserError("attention maps are recorded of models with plain attention only; choose another pair")
        unet.set_attn_processor({name: _Recording(name, p, self) for name, p in self.processors.items()})

    def detach(self) -> None:
        """Put the model's own processors back."""
        self.unet.set_attn_processor(dict(self.processors))

    @staticmethod
    def distance(maps: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Total variation between rows of the maps (half of L1, 0..1), the mean over heads and queries.

        Args:
            maps, other: (n, heads, queries, keys), or one of them (1, heads, queries, keys).

        Returns:
            (n,).
        """
        return (maps - other).abs().sum(dim=-1).mean(dim=(-2, -1)) / 2


class _Recording:
    """One layer's map, then the processor that it wraps."""

    def __init__(self, name: str, wrapped: Any, maps: AttentionMaps) -> None:
        layer = name.removesuffix(".processor").rpartition(".")[2]
        self.part, self.wrapped, self.maps = "self" if layer.startswith("attn1") else "cross", wrapped, maps

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        first = self.maps.context.unconditional
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        self.maps.parts[self.part].append(attention_map(attn, hidden_states[first:], context[first:]))
        return self.wrapped(attn, hidden_states, encoder_hidden_states, *args, **kwargs)


def attention_map(attn: Any, hidden_states: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """softmax(Q K^T), (rows, heads, queries, keys) in float32, of at most `QUERIES` queries."""
    length = hidden_states.shape[1]
    chosen = hidden_states[:, :: -(-length // QUERIES)]
    query, key = (attn.head_to_batch_dim(x) for x in (attn.to_q(chosen), attn.to_k(context)))
    scores: torch.Tensor = attn.get_attention_scores(query, key)
    return scores.float().unflatten(0, (len(hidden_states), attn.heads))


class DeepestFeatures(_Recorder):
    """Records the output of the mid block, or of the last down block where there is no mid block: (rows, c, h, w)."""

    names = ("features",)

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Look at what the block returns."""

        def record(_block: torch.nn.Module, _arguments: Any, result: Any) -> None:
            features = result if isinstance(result, torch.Tensor) else result[0]
            self.parts["features"].append(features[context.unconditional :].float())

        block = unet.down_blocks[-1] if unet.mid_block is None else unet.mid_block
        self.hook = block.register_forward_hook(record)

    def detach(self) -> None:
        """Stop recording."""
        self.hook.remove()

    @staticmethod
    def distance(features: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """||A - B|| / ||B|| by the Euclidean norm.

        Args:
            features, other: A and B, (n, channels, height, width), or one of them with n = 1.

        Returns:
            (n,).
        """
        return (features - other).flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)


Recorder = AttentionMaps | DeepestFeatures
