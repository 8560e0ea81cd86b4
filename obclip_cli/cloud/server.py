"""The cloud's side of Algorithm 1 (arXiv 2510.04153): denoise every candidate from one z_T."""

import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import encode_prompts, initial_noise, run_steps
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.protocol import CloudRequest, CloudResponse


class CloudServer:
    """Holds M_S and answers requests, given and returned as bytes.

    Args:
        pipeline: the large model.
        batch: most candidates denoised at once; larger sets run in chunks.
        cache: the accelerations to put on the model while it answers; none by default.
    """

    def __init__(self, pipeline: StableDiffusionPipeline, *, batch: int, cache: CacheConfig | None = None) -> None:
        self.pipeline = pipeline
        self.batch = batch
        self.cache = cache or CacheConfig()

    def answer(self, message: bytes) -> bytes:
        """Bytes of a CloudRequest in, bytes of a CloudResponse out."""
        request = CloudRequest.from_bytes(message)
        return CloudResponse(self.denoise(request).cpu()).to_bytes()

    def denoise(self, request: CloudRequest) -> torch.Tensor:
        """One latent a candidate, (N, c, h, w), after steps start..stop-1."""
        if request.latents is None:
            start = initial_noise(self.pipeline, latent_shape(self.pipeline), request.noise_seed)
        else:
            start = request.latents.to(self.pipeline.device)
        chunks = [request.candidates[i : i + self.batch] for i in range(0, len(request.candidates), self.batch)]
        return torch.cat([self._denoise_chunk(request, list(chunk), start) for chunk in chunks])

    def _denoise_chunk(self, request: CloudRequest, candidates: list[str], start: torch.Tensor) -> torch.Tensor:
        with attached(self.pipeline.unet, accelerations(self.cache)) as begin_step:
            return run_steps(
                self.pipeline,
                start.expand(len(candidates), -1, -1, -1).clone(),
                encode_prompts(self.pipeline, candidates, request.guidance_scale),
                steps=request.steps,
                start=request.start,
                stop=request.stop,
                guidance_scale=request.guidance_scale,
                before_step=begin_step,
            )
