"""The device's side of Algorithm 1 (arXiv 2510.04153): build P, ask, select, finish."""

from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.config import HybridConfig, PrivacyConfig
from obclip_cli.diffusion.denoise import decode, encode_prompts, initial_noise, run_steps
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import CandidateSet, build_candidates, check_prompt
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse


@dataclass(frozen=True)
class Query:
    """What the device remembers of one prompt while the cloud works. Secret."""

    prompt: str
    candidates: CandidateSet
    seed: int


class Client:
    """Holds M_C and the user's prompts.

    Args:
        pipeline: the small model.
        taxonomy: which attributes are sensitive.
    """

    def __init__(
        self,
        pipeline: StableDiffusionPipeline,
        taxonomy: Taxonomy,
        hybrid: HybridConfig,
        privacy: PrivacyConfig,
        *,
        guidance_scale: float,
    ) -> None:
        self.pipeline, self.taxonomy = pipeline, taxonomy
        self.hybrid, self.privacy = hybrid, privacy
        self.guidance_scale = guidance_scale

    def prepare(self, prompt: str, seed: int) -> Query:
        """Find the attributes and build the candidates.

        Raises:
            UserError: the prompt is empty, contradicts itself or has too many candidates.
        """
        if self.privacy.strategy == "none":
            plain = check_prompt(prompt)
            return Query(plain, CandidateSet((plain,), 0, {}), seed)
        candidates = build_candidates(prompt, self.taxonomy, max_candidates=self.privacy.max_candidates)
        return Query(check_prompt(prompt), candidates, seed)

    def request(self, query: Query) -> CloudRequest:
        """What goes up: all candidates, and the device's latent if the device goes first.

        Raises:
            UserError: the device would go first although its prompt is to stay hidden.
        """
        start, stop = self.hybrid.cloud_steps()
        latents = None
        if self.hybrid.order == "client_first":
            if len(query.candidates.prompts) > 1:
                raise UserError(
                    "hybrid.order=client_first sends a latent that the real prompt has shaped; "
                    "use hybrid.order=server_first, or privacy.strategy=none to send the prompt in the clear"
                )
            latents = self._run(query, self._noise(query), 0, start)
        return CloudRequest(
            candidates=query.candidates.prompts,
            steps=self.hybrid.steps,
            start=start,
            stop=stop,
            guidance_scale=self.guidance_scale,
            noise_seed=query.seed,
            latents=latents,
        )

    def select(self, query: Query, response: CloudResponse) -> torch.Tensor:
        """The latent of the real prompt, (1, c, h, w)."""
        index = query.candidates.index
        return response.latents[index : index + 1].to(self.pipeline.device)

    def finish(self, query: Query, latents: torch.Tensor) -> torch.Tensor:
        """Run the remaining steps on the user's own words; the final latents (1, c, h, w)."""
        _, stop = self.hybrid.cloud_steps()
        return self._run(query, latents, stop, self.hybrid.steps)

    def image(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (n, c, h, w) to images (n, 3, H, W) in [0, 1]."""
        return decode(self.pipeline, latents.to(self.pipeline.device))

    def alone(self, query: Query) -> torch.Tensor:
        """Device-only: the final latents of the small model from the same z_T."""
        return self._run(query, self._noise(query), 0, self.hybrid.steps)

    def _noise(self, query: Query) -> torch.Tensor:
        return initial_noise(self.pipeline, latent_shape(self.pipeline), query.seed)

    def _run(self, query: Query, latents: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return run_steps(
            self.pipeline,
            latents,
            encode_prompts(self.pipeline, [query.prompt], self.guidance_scale),
            steps=self.hybrid.steps,
            start=start,
            stop=stop,
            guidance_scale=self.guidance_scale,
        )
