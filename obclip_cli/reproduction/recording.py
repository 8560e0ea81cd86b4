"""Look at what a UNet computes inside one step; attached like an acceleration, and changing nothing."""

from typing import Any

import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate.overriding import Forward, Overrides
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

# Rows of an attention map that are kept, evenly spaced; the maps of large images would not fit otherwise.
QUERIES = 64
Parts = dict[str, list[torch.Tensor]]


class AttentionMaps:
    """Records softmax(Q K^T) of the conditional rows, and leaves attention to the model's own processors.

    `parts` is the present step's: `self` and `cross`, each with a tensor (rows, heads, queries, keys) a layer.
    """

    names = ("self", "cross")

    def __init__(self) -> None:
        self.context = StepContext()
        self.unet: UNet2DConditionModel | None = None
        self.processors: dict[str, Any] = {}
        self.parts: Parts = {}

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Wrap every attention processor.

        Raises:
            UserError: the model has no attention, or normalises its queries and keys.
        """
        self.unet, self.context, self.processors = unet, context, dict(unet.attn_processors)
        layers = {name: unet.get_submodule(name.removesuffix(".processor")) for name in self.processors}
        if not layers or any(getattr(layer, "norm_q", None) is not None for layer in layers.values()):
            raise UserError("attention maps are recorded of models with plain attention only; choose another pair")
        self.begin()
        unet.set_attn_processor({name: _Recording(name, p, self) for name, p in self.processors.items()})

    def begin(self) -> None:
        """Forget the last step."""
        self.parts = {name: [] for name in self.names}

    def detach(self) -> None:
        """Put the model's own processors back."""
        if self.unet is not None:
            self.unet.set_attn_processor(dict(self.processors))
        self.unet, self.processors = None, {}

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


class DeepestFeatures:
    """Records the output of the mid block, or of the last down block where there is no mid block.

    `parts` is the present step's: `features`, one tensor (rows, channels, height, width).
    """

    names = ("features",)

    def __init__(self) -> None:
        self.context = StepContext()
        self.overrides = Overrides()
        self.parts: Parts = {}

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Make the block show its result."""
        self.context = context
        self.begin()
        self.overrides.put(unet.down_blocks[-1] if unet.mid_block is None else unet.mid_block, self._showing)

    def begin(self) -> None:
        """Forget the last step."""
        self.parts = {"features": []}

    def _showing(self, original: Forward) -> Forward:
        def forward(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            features = result if isinstance(result, torch.Tensor) else result[0]
            self.parts["features"].append(features[self.context.unconditional :].float())
            return result

        return forward

    def detach(self) -> None:
        """Give the block its own `forward` back."""
        self.overrides.remove()

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
