"""Make the device UNet from the cloud UNet as BK-SDM does (Kim et al., arXiv 2305.15798): drop, copy, distil.

Dropped: the mid block, the innermost stage, and the second resnet/attention pair of every block
(the cut of BK-SDM-tiny). What stays starts from the cloud's weights and learns from its outputs and
the outputs of its blocks.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextModel

from obclip_cli.mini.diffusion_training import NOISE, Examples, noised
from obclip_cli.mini.training import Losses, Recipe, Training, autocast, compute_device, keep_norms_in_fp32, start_of

RECIPE = Recipe(steps=1500, batch_size=64, learning_rate=1e-3)
CONTINUED = replace(RECIPE, steps=1000, learning_rate=3e-4)
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
    weights = cloud.state_dict()
    taken = {name: (weights.get(_cloud_name(name)), fresh) for name, fresh in device.state_dict().items()}
    same = {name: old for name, (old, fresh) in taken.items() if old is not None and old.shape == fresh.shape}
    device.load_state_dict(same, strict=False)
    return device


def _cloud_name(name: str) -> str:
    """Without the innermost stage, up block i is the cloud's up block i + 1; of each block's pairs the
    first and, going up, the last remain."""
    found = re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if found:
        layer = {"0": "0", "1": "2"}[found[3]]
        return f"up_blocks.{int(found[1]) + 1}.{found[2]}.{layer}.{found[4]}"
    return re.sub(r"^up_blocks\.(\d+)", lambda m: f"up_blocks.{int(m[1]) + 1}", name)


@contextmanager
def block_outputs(blocks: Sequence[nn.Module]) -> Iterator[dict[nn.Module, torch.Tensor]]:
    """The last output of every block that ran, by block; the hooks that keep them come off at the end."""
    outputs: dict[nn.Module, torch.Tensor] = {}

    def keep(block: nn.Module, _: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        outputs[block] = output[0] if isinstance(output, tuple) else output

    handles = [block.register_forward_hook(keep) for block in blocks]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def train_device(
    cloud: UNet2DConditionModel,
    text_encoder: CLIPTextModel,
    examples: Examples,
    folder: Path,
    recipe: Recipe = RECIPE,
) -> UNet2DConditionModel | None:
    """Distil the cloud UNet into the device UNet, from `folder/start` if there is one; None if stopped early."""
    torch.manual_seed(recipe.seed)
    place = compute_device()
    device = create_device(cloud).to(memory_format=torch.channels_last)
    if (start := start_of(folder)).exists():
        device.load_state_dict(UNet2DConditionModel.from_pretrained(start).state_dict())
    scheduler = DDPMScheduler(**NOISE)
    cloud.to(place).requires_grad_(False).eval()
    text_encoder.to(place).requires_grad_(False).eval()
    keep_norms_in_fp32(cloud)
    teachers = (cloud.down_blocks[0], cloud.up_blocks[1], cloud.up_blocks[2])
    students = (device.down_blocks[0], device.up_blocks[0], device.up_blocks[1])

    def loss(generator: torch.Generator) -> Losses:
        latents, tokens = examples.batch(recipe.share, generator)
        noisy, timesteps, velocity = noised(scheduler, latents, generator, place)
        with autocast(place):
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                embeds = text_encoder(tokens.to(place)).last_hidden_state
                taught = cloud(noisy, timesteps, embeds).sample
            predicted = device(noisy, timesteps, embeds).sample
        features = [
            F.mse_loss(outputs[student].float(), outputs[teacher].float()) / outputs[teacher].float().var()
            for student, teacher in zip(students, teachers, strict=True)
        ]
        return {
            "velocity": F.mse_loss(predicted.float(), velocity),
            "output": F.mse_loss(predicted.float(), taught.float()),
            "features": FEATURE_WEIGHT * torch.stack(features).mean(),
        }

    with block_outputs([*teachers, *students]) as outputs:
        training = Training("device", device, recipe, folder, loss)
        if not training.run():
            return None
        training.use_average()
    return device
