"""Images that users publish: made as the scheme makes them, with or without noise of the device's own in between."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from diffusers import DiffusionPipeline

from obclip_cli.config import HybridConfig, PairConfig
from obclip_cli.device.client import Query
from obclip_cli.diffusion.denoise import State, Stretch, decode, denoise, initial_noise
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.diffusion.schedule import noise_levels, split


class Publisher:
    """Both models of a pair, without accelerations.

    Args:
        hybrid: how many steps, and which side runs them.
    """

    def __init__(self, pair: PairConfig, hybrid: HybridConfig, cloud: DiffusionPipeline, device: DiffusionPipeline):
        self.pair, self.hybrid, self.cloud, self.device = pair, hybrid, cloud, device
        self.handed_over: dict[tuple[str, int, int], torch.Tensor] = {}

    def image(self, query: Query, *, k: int | None = None) -> torch.Tensor:
        """The finished image (3, H, W) in [0, 1] of one query."""
        return self.images([query], k=k)[0]

    def images(
        self, queries: Sequence[Query], *, k: int | None = None, back: int = 0, secrets: Sequence[int] = ()
    ) -> torch.Tensor:
        """The finished images (n, 3, H, W) in [0, 1].

        Args:
            k: the switch point; the configured one by default.
            back: the device adds fresh noise to the latent, as much as takes it this many steps back, and runs them
                again; with all k of them the cloud's latent is all but lost in the noise of z_T.
            secrets: a seed of that noise for each query, which the cloud does not know.
        """
        hybrid = self.hybrid if k is None else replace(self.hybrid, switch_point=k)
        divided = split(self.pair, replace(hybrid, handover="restart"))
        own = [query.candidates.prompts[query.candidates.index] for query in queries]
        rows = [self._from_cloud(prompt, q.seed, divided.cloud) for prompt, q in zip(own, queries, strict=True)]
        latents, device = torch.cat(rows), divided.device
        if back:
            device = replace(device, start=device.start - back)
            latents = self._renoised(latents, divided.device.start, device, secrets)
        seeds = [query.seed for query in queries]
        state = denoise(self.device, [q.prompt for q in queries], device, seeds=seeds, state=State(latents))
        return decode(self.device, state.latents)

    def _from_cloud(self, prompt: str, seed: int, stretch: Stretch) -> torch.Tensor:
        """The latent (1, c, h, w) that the cloud hands over; a row does not depend on the others."""
        key = prompt, seed, stretch.stop
        if key not in self.handed_over:
            noise = initial_noise(self.cloud, latent_shape(self.cloud), seed)
            self.handed_over[key] = denoise(self.cloud, [prompt], stretch, seeds=[seed], state=State(noise)).latents
        return self.handed_over[key]

    def _renoised(self, latents: torch.Tensor, at: int, stretch: Stretch, secrets: Sequence[int]) -> torch.Tensor:
        """Latents of step `at` at the noise of step `stretch.start`, by the forward process (Ho et al. 2020, eq. 2)."""
        sigmas = noise_levels(self.device.scheduler, stretch.steps)
        now, then = (1 / (1 + sigmas[step] ** 2) for step in (at, stretch.start))  # alpha_bar
        shape = latents.shape[1:]
        each = [torch.randn(shape, generator=torch.Generator().manual_seed(secret)) for secret in secrets]
        noise, kept = torch.stack(each).to(latents), (then / now) ** 0.5
        return kept * latents + max(0.0, 1 - then / now) ** 0.5 * noise
