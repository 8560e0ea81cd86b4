"""Look at what a UNet computes inside one step; attached like an acceleration, and changing nothing."""

from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.hooks import RemovableHandle

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
        self.hooks: list[RemovableHandle] = []

    def take(self) -> Parts:
        """What was recorded since the last call."""
        taken, self.parts = self.parts, {name: [] for name in self.names}
        return taken

    def detach(self) -> None:
        """Stop recording."""
        while self.hooks:
            self.hooks.pop().remove()


class AttentionMaps(_Recorder):
    """Records softmax(Q K^T), (rows, heads, queries, keys), of what goes into every attention layer."""

    names = ("self", "cross")

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Look at what goes into every layer.

        Raises:
            UserError: the model has no attention, or normalises its queries and keys.
        """
        layers = {name: unet.get_submodule(name.removesuffix(".processor")) for name in unet.attn_processors}
        if not layers or any(getattr(layer, "norm_q", None) is not None for layer in layers.values()):
            raise UserError("attention maps are recorded of models with plain attention only; choose another pair")
        for name, layer in layers.items():
            part = "self" if name.endswith("attn1.processor") else "cross"
            self.hooks.append(layer.register_forward_pre_hook(partial(self._record, part, context), with_kwargs=True))

    def _record(
        self, part: str, step: StepContext, attn: Any, inputs: tuple[torch.Tensor, ...], others: dict[str, Any]
    ) -> None:
        words = others.get("encoder_hidden_states")
        context = inputs[0] if words is None else words
        self.parts[part].append(attention_map(attn, inputs[0][step.unconditional :], context[step.unconditional :]))

    @staticmethod
    def distance(maps: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Total variation between rows of the maps (half of L1, 0..1), the mean over heads and queries.

        Args:
            maps, other: (n, heads, queries, keys), or one of them (1, heads, queries, keys).

        Returns:
            (n,).
        """
        return (maps - other).abs().sum(dim=-1).mean(dim=(-2, -1)) / 2


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
        self.hooks.append(block.register_forward_hook(record))

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
