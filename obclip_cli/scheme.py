"""The whole scheme on one page (arXiv 2510.04153, Algorithm 1).

The one file that holds both sides. Only bytes pass between them, so a network can take its place.
"""

import time
from dataclasses import dataclass

import torch

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.device.client import Client, Query
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse


@dataclass(frozen=True)
class Outcome:
    """One image and what it took.

    Attributes:
        latents: the final latents of the real prompt, (1, c, h, w).
        candidate_latents: what came back, (N, c, h, w).
        bytes_up, bytes_down: the messages as sent.
        cloud_seconds, device_seconds: wall-clock time of each side.
    """

    query: Query
    request: CloudRequest
    latents: torch.Tensor
    candidate_latents: torch.Tensor
    bytes_up: int
    bytes_down: int
    cloud_seconds: float
    device_seconds: float


def oblivious_generation(client: Client, server: CloudServer, prompt: str, seed: int) -> Outcome:
    """Algorithm 1: the cloud denoises every candidate, the device keeps and finishes its own."""
    started = time.perf_counter()
    query = client.prepare(prompt, seed)  # lines 1-2: find the attributes, build P
    request = client.request(query)
    message_up = request.to_bytes()
    asked = time.perf_counter()
    message_down = server.answer(message_up)  # lines 3-8: k steps of M_S for all of P, from one z_T
    answered = time.perf_counter()
    response = CloudResponse.from_bytes(message_down)
    latents = client.select(query, response)  # line 9: keep the latent of p*
    latents = client.finish(query, latents)  # lines 10-12: T-k steps of M_C on p*
    finished = time.perf_counter()
    return Outcome(
        query=query,
        request=request,
        latents=latents,
        candidate_latents=response.latents,
        bytes_up=len(message_up),
        bytes_down=len(message_down),
        cloud_seconds=answered - asked,
        device_seconds=finished - started - (answered - asked),
    )


def assemble(config: Config) -> tuple[Client, CloudServer]:
    """Load both models of the pair and set up the two sides.

    Raises:
        UserError: a model or the taxonomy cannot be loaded.
    """
    pair = config.pair
    place, dtype = default_device(), pair.dtype
    cloud = load_pipeline(pair.cloud.path, revision=pair.cloud.revision, dtype=dtype, device=place)
    device = load_pipeline(pair.device.path, revision=pair.device.revision, dtype=dtype, device=place)
    taxonomy = load_taxonomy(taxonomy_path(pair.taxonomy))
    client = Client(device, taxonomy, config.hybrid, config.privacy, guidance_scale=pair.guidance_scale)
    return client, CloudServer(cloud, batch=config.cloud.batch, cache=config.cache)


def cloud_only(server: CloudServer, query: Query, steps: int, guidance_scale: float) -> torch.Tensor:
    """The baseline without privacy or device: the large model alone, from the same z_T; (1, c, h, w).

    It shows the server the real prompt, so it belongs in a comparison where both sides run on one machine, never in
    the scheme itself.
    """
    request = CloudRequest((query.prompt,), steps, 0, steps, guidance_scale, query.seed)
    return CloudServer(server.pipeline, batch=server.batch).denoise(request)
