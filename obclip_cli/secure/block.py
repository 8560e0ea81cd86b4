"""A residual block of the pair's large model as CKKS can have it: what encrypted_block.py is given."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from obclip_cli.diffusion.denoise import denoise_by_step
from obclip_cli.secure.launch import script_rows
from obclip_cli.secure.measure import Row, Setting

OTHERS = 8  # images of other noise, for the norms' statistics and SiLU's range
MEMORY = {"GOGC": "25"}  # Lattigo's garbage is collected earlier: less memory, more CPU


def encrypted_block(python: Path, setting: Setting) -> list[Row]:
    """The block, and one bootstrapping, encrypted.

    Args:
        python: of the environment with orion-fhe.

    Raises:
        UserError: it fails, as where memory runs out.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "block.npz"
        np.savez(path, allow_pickle=False, **block_arrays(setting))
        wanted = ("block", "bootstrap")
        return [row for what in wanted for row in script_rows(python, "encrypted_block.py", what, str(path), **MEMORY)]


@torch.inference_mode()
def block_arrays(setting: Setting) -> dict[str, np.ndarray]:
    """The first block of the large model in the cloud's last step.

    GroupNorm divides by a square root of what is hidden, so that its statistics are the mean of other images': it
    becomes a factor and a summand a channel. The timestep is public, and its embedding a summand as well.

    Returns:
        input: (1 + others, c, h, w), the image's first.
        output: (1, c, h, w), what the block makes of it with its own statistics.
        norm1, conv1, conv2: each `.weight` and `.bias`; norm1 is a convolution of 1x1 a channel, norm2 is in conv1.
    """
    block, seen = setting.cloud.unet.down_blocks[0].resnets[0], []
    hook = block.register_forward_hook(lambda _, given, made: seen.append((*given, made)))
    rows = 1 + OTHERS
    seeds = [setting.config.seed + place for place in range(rows)]
    list(denoise_by_step(setting.cloud, [setting.prompt] * rows, setting.stretch, seeds=seeds))
    hook.remove()
    x, embedding, made = seen[-1][0][:rows], seen[-1][1][:1], seen[-1][2][:1]
    folded = folded_block(block, x[1:], embedding)
    return {"input": x.numpy(), "output": made.numpy()} | {name: array.numpy() for name, array in folded.items()}


def folded_block(block: ResnetBlock2D, others: torch.Tensor, embedding: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights with both norms' statistics taken from `others`, and the timestep's embedding folded in."""
    time = block.time_emb_proj(block.nonlinearity(embedding))[0]
    middle = block.conv1(block.nonlinearity(block.norm1(others))) + time[:, None, None]
    (factor1, summand1), (factor2, summand2) = _affine(block.norm1, others), _affine(block.norm2, middle)
    return {
        "norm1.weight": factor1[:, None, None, None],
        "norm1.bias": summand1,
        "conv1.weight": block.conv1.weight * factor2[:, None, None, None],
        "conv1.bias": (block.conv1.bias + time) * factor2 + summand2,
        "conv2.weight": block.conv2.weight,
        "conv2.bias": block.conv2.bias,
    }


def _affine(norm: nn.GroupNorm, x: torch.Tensor) -> tuple[Any, Any]:
    """GroupNorm with the mean of these images' statistics: factor and summand a channel."""
    groups = x.reshape(len(x), norm.num_groups, -1)
    each = norm.num_channels // norm.num_groups
    mean, variance = (
        found.mean(0).repeat_interleave(each) for found in (groups.mean(-1), groups.var(-1, unbiased=False))
    )
    factor = norm.weight / (variance + norm.eps).sqrt()
    return factor, norm.bias - factor * mean
