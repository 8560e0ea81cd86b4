"""A picture as latents: encoded, noised to a step of the schedule, its low frequencies blended into others."""

from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline
from torch.nn import functional as F

from obclip_cli.diffusion.denoise import PIXELS, able_to_code
from obclip_cli.diffusion.models import check_has_autoencoder
from obclip_cli.diffusion.schedule import noise_levels


@torch.no_grad()
def encode(pipeline: DiffusionPipeline, images: torch.Tensor) -> torch.Tensor:
    """Clean latents (n, c, h, w) of images (n, 3, H, W) in [0, 1]: the inverse of `denoise.decode`.

    Raises:
        UserError: the model has no autoencoder.
    """
    check_has_autoencoder(pipeline)
    at_once = max(1, PIXELS // (images.shape[-1] * images.shape[-2]))
    with able_to_code(pipeline.vae) as vae:
        pixels = (2 * images - 1).to(pipeline.device, vae.dtype)
        latents = torch.cat([vae.encode(each).latent_dist.mode() for each in pixels.split(at_once)])
        config = vae.config
        if config.latents_mean is not None and config.latents_std is not None:
            mean, std = (
                latents.new_tensor(each).view(1, -1, 1, 1) for each in (config.latents_mean, config.latents_std)
            )
            latents = (latents - mean) / std
        elif config.shift_factor is not None:
            latents = latents - config.shift_factor
        return (latents * config.scaling_factor).to(pipeline.unet.dtype)


def noised(
    pipeline: DiffusionPipeline, latents: torch.Tensor, noise: torch.Tensor, place: int, steps: int
) -> torch.Tensor:
    """Clean latents at the noise level before step `place` of `steps`, by Ho et al. 2020, eq. 4."""
    kept = 1 / (1 + noise_levels(pipeline.scheduler, steps)[place] ** 2)  # alpha_bar
    return kept**0.5 * latents + (1 - kept) ** 0.5 * noise


def places_of(strength: float, steps: int) -> int:
    """The step at which a picture of this strength enters, as diffusers' image-to-image pipelines count it."""
    return steps - min(steps, int(steps * strength + 1e-9))


def low(latents: torch.Tensor, cells: int) -> torch.Tensor:
    """The low frequencies of latents (n, c, h, w): their means over cells x cells parts of the image."""
    return F.interpolate(F.adaptive_avg_pool2d(latents, cells), size=latents.shape[-2:], mode="nearest")


@dataclass(frozen=True)
class Blend:
    """Gives latents the low frequencies of a noised picture before some steps (ILVR, Choi et al. 2021, eq. 9).

    Attributes:
        latents: of the picture, clean, (n, c, h, w).
        noise: z_T, from which the latents came, (n, c, h, w): with other noise the low and the high frequencies do not
            fit, and images get worse (FID) at the same likeness.
        last: the last step before which it is blended in, of `steps`.
        cells: low frequencies are means over this many parts of the image in both directions.
    """

    pipeline: DiffusionPipeline
    latents: torch.Tensor
    noise: torch.Tensor
    last: int
    steps: int
    cells: int

    def __call__(self, latents: torch.Tensor, place: int) -> torch.Tensor:
        """Latents (n, c, h, w) before step `place`."""
        if place > self.last:
            return latents
        picture = noised(self.pipeline, self.latents, self.noise, place, self.steps).to(latents)
        return latents + low(picture - latents, self.cells)
