"""Make the device UNet from the cloud UNet as BK-SDM does (Kim et al., arXiv 2305.15798): drop, copy, distil.

Dropped: the mid block, the innermost stage, and the second resnet/attention pair of every block
(the cut of BK-SDM-tiny). What stays starts from the cloud's weights and learns from its outputs and
the outputs of its blocks.
"""

import re
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextModel

from obclip_cli.mini.diffusion_training import NOISE, Examples, noised
from obclip_cli.mini.training import Losses, Recipe, Training, autocast, compute_device

RECIPE = Recipe(steps=1500, batch_size=64, learning_rate=1e-3)
FEATURE_WEIGHT = 0.2


def create_device(cloud: UNet2DConditionModel) -> UNet2DConditionModel:
    """The smaller UNet with the cloud's weights wherever a layer of the same shape remains."""
    # Not from_config: it would put the mid block, a default, back.
    config = {key: value for key, value in cloud.config.items() if not key.startswith("_")}
    config |= {
        "block_out_channels": config["block_out_channels"][:2],
        "down_block_types": config["down_block_types"][:2],
        "up_block_types": config["up_block_types"][1:],
        "layers_per_block": 1,
        "mid_block_type": None,
    }
    device = UNet2DConditionModel(**config)
    device.load_state_dict(_kept(cloud.state_dict(), device.state_dict()))
    return device


def _kept(cloud: dict[str, torch.Tensor], device: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The device's weights, taken from the cloud by name where the shapes agree."""
    result = {}
    for name, fresh in device.items():
        taken = cloud.get(_cloud_name(name))
        result[name] = taken.clone() if taken is not None and taken.shape == fresh.shape else fresh
    return result


def _cloud_name(name: str) -> str:
    """Without the innermost stage, up block i is the cloud's up block i + 1; of each block's pairs the
    first and, going up, the last remain."""
    found = re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if found:
        layer = {"0": "0", "1": "2"}[found[3]]
        return f"up_blocks.{int(found[1]) + 1}.{found[2]}.{layer}.{found[4]}"
    return re.sub(r"^up_blocks\.(\d+)", lambda m: f"up_blocks.{int(m[1]) + 1}", name)


class BlockOutputs:
    """Keeps the last outputs of chosen blocks; `remove` takes the hooks off again."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        self.outputs: dict[int, torch.Tensor] = {}
        self.handles = [block.register_forward_hook(self._keeper(i)) for i, block in enumerate(blocks)]

    def _keeper(self, place: int):  # type: ignore[no-untyped-def]
        def keep(module: nn.Module, inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
            self.outputs[place] = output[0] if isinstance(output, tuple) else output

        return keep

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def train_device(
    cloud: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    examples: Examples,
    folder: Path,
    recipe: Recipe = RECIPE,
) -> UNet2DConditionModel | None:
    """Distil the cloud UNet into the device UNet; None if stopped before the end."""
    torch.manual_seed(recipe.seed)
    place = compute_device()
    device = create_device(cloud).to(memory_format=torch.channels_last)
    scheduler = DDPMScheduler(**NOISE)
    cloud.to(place).requires_grad_(False).eval()
    text_encoder.to(place).requires_grad_(False).eval()
    teacher = BlockOutputs([cloud.down_blocks[0], cloud.up_blocks[1], cloud.up_blocks[2]])
    student = BlockOutputs([device.down_blocks[0], device.up_blocks[0], device.up_blocks[1]])

    def loss(generator: torch.Generator) -> Losses:
        latents, tokens = examples.batch(recipe.share, generator)
        noisy, timesteps, velocity = (part.to(place) for part in noised(scheduler, latents, generator))
        with autocast(place):
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                embeds = text_encoder(tokens.to(place)).last_hidden_state
                taught = cloud(noisy, timesteps, embeds).sample
            predicted = device(noisy, timesteps, embeds).sample
        features = [
            F.mse_loss(student.outputs[i].float(), teacher.outputs[i].float()) / teacher.outputs[i].float().var()
            for i in teacher.outputs
        ]
        return {
            "velocity": F.mse_loss(predicted.float(), velocity),
            "output": F.mse_loss(predicted.float(), taught.float()),
            "features": FEATURE_WEIGHT * torch.stack(features).mean(),
        }

    try:
        training = Training("device", device, recipe, folder, loss)
        if not training.run():
            return None
        training.use_average()
    finally:
        teacher.remove()
        student.remove()
    return device
