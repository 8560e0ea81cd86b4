"""Train the AutoencoderKL of the embedded pair: 64x64 RGB to 16x16 latents of 8 channels."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio

from obclip_cli.mini.training import Losses, Recipe, Training, autocast, compute_device

RECIPE = Recipe(steps=4000, batch_size=32, learning_rate=2e-3, weight_decay=1e-4)
DECODER_RECIPE = Recipe(steps=5000, batch_size=8, learning_rate=1e-3, weight_decay=1e-4, ema_decay=0.995)
CROP = 32  # the model is convolutional: crops give more varied edges a second than whole pictures
KL_WEIGHT = 1e-5


def create() -> AutoencoderKL:
    """An untrained autoencoder: factor 4, without attention so that it may train on crops."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, h, w, 3) to float (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def random_crops(images: np.ndarray, count: int, generator: torch.Generator) -> torch.Tensor:
    """`count` crops of 32x32, half of them mirrored."""
    rows = torch.randint(len(images), (count,), generator=generator).tolist()
    corners = torch.randint(0, images.shape[1] - CROP + 1, (count, 2), generator=generator).tolist()
    crops = [images[row, y : y + CROP, x : x + CROP] for row, (y, x) in zip(rows, corners, strict=True)]
    batch = to_tensor(np.stack(crops))
    mirror = torch.rand(count, generator=generator) < 0.5
    batch[mirror] = batch[mirror].flip(-1)
    return batch


def train(images: np.ndarray, table: pd.DataFrame, folder: Path, recipe: Recipe = RECIPE) -> AutoencoderKL | None:
    """Train on everything that is not held out; None if stopped before the end."""
    torch.manual_seed(recipe.seed)
    model = create().to(memory_format=torch.channels_last)
    seen = images[~table["held_out"].to_numpy()]

    def loss(generator: torch.Generator) -> Losses:
        batch = random_crops(seen, recipe.share, generator).to(compute_device(), memory_format=torch.channels_last)
        with autocast(batch.device):
            posterior = model.encode(batch).latent_dist
            decoded = model.decode(posterior.sample(generator)).sample
        return {
            "l1": 0.25 * F.l1_loss(decoded.float(), batch),
            "mse": F.mse_loss(decoded.float(), batch),
            "kl": KL_WEIGHT * posterior.kl().mean() / (CROP * CROP),
        }

    training = Training("autoencoder", model, recipe, folder, loss)
    if not training.run():
        return None
    training.use_average()
    latents = encode(model, seen[:: len(seen) // 1000])
    model.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    return model


def train_decoder(
    model: AutoencoderKL, images: np.ndarray, table: pd.DataFrame, folder: Path, recipe: Recipe = DECODER_RECIPE
) -> AutoencoderKL | None:
    """Fit the decoder alone to whole pictures, as it is used; None if stopped before the end.

    GroupNorm sees other statistics in a crop than in a picture, most of which is white. The latents stay what they
    were, so that the models that denoise them still fit.

    Args:
        images: uint8 (n, 64, 64, 3); those that `table` (n rows) calls held out are left out.
    """
    torch.manual_seed(recipe.seed)
    model = model.to(memory_format=torch.channels_last)
    for kept in (model.encoder, model.quant_conv):
        kept.requires_grad_(False)
    seen = images[~table["held_out"].to_numpy()]

    def loss(generator: torch.Generator) -> Losses:
        rows = torch.randint(len(seen), (recipe.share,), generator=generator)
        batch = to_tensor(seen[rows.numpy()]).to(compute_device(), memory_format=torch.channels_last)
        with autocast(batch.device):
            with torch.no_grad():
                latents = model.encode(batch).latent_dist.mean
            decoded = model.decode(latents).sample
        return {"mse": F.mse_loss(decoded.float(), batch)}

    training = Training("decoder", model, recipe, folder, loss)
    if not training.run():
        return None
    training.use_average()
    return model


@torch.no_grad()
def encode(model: AutoencoderKL, images: np.ndarray, batch: int = 64) -> torch.Tensor:
    """Posterior means of uint8 images (n, 64, 64, 3): latents (n, 8, 16, 16) on the CPU, not yet scaled."""
    parts = [to_tensor(images[i : i + batch]).contiguous().to(model.device) for i in range(0, len(images), batch)]
    return torch.cat([model.encode(part).latent_dist.mean.cpu() for part in parts])


@torch.no_grad()
def held_out_psnr(model: AutoencoderKL, images: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels of `images`, by image then averaged."""
    decoded = torch.cat([model.decode(latents).sample.clamp(-1, 1) for latents in encode(model, images).split(64)])
    ratio = peak_signal_noise_ratio(decoded, to_tensor(images), data_range=2.0, dim=(1, 2, 3))
    return float(ratio)
