"""The whole scheme on one page (arXiv 2510.04153, Algorithm 1).

The one file that holds both sides. Only bytes pass between them, so a network can take its place.
"""

import time
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, PairConfig, taxonomy_path
from obclip_cli.device.client import Client, Query
from obclip_cli.device.secret import client_key
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.diffusion.models import check_same_latent_space, default_device, load_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.prompts.detect_transformer import load_detector
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
    state = client.select(query, response)  # line 9: keep the latent of p*
    latents = client.finish(query, state)  # lines 10-12: T-k steps of M_C on p*
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
        UserError: a model, the detector, the taxonomy or the client's secret cannot be loaded.
    """
    key = client_key(config.privacy)
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    cloud, device = load_pipelines(config.pair)
    find = load_detector(config.privacy.detector)
    client = Client(device, taxonomy, split(config.pair, config.hybrid), config.privacy, key, find=find)
    return client, CloudServer(cloud, batch=config.rows_at_once, cache=config.cache)


def load_pipelines(pair: PairConfig) -> tuple[DiffusionPipeline, DiffusionPipeline]:
    """The cloud's and the device's pipeline; where both are one model, the same pipeline twice.

    Raises:
        UserError: one cannot be loaded, or they do not share a latent space.
    """
    place = default_device()
    cloud = load_pipeline(pair.cloud, dtype=pair.dtype, device=place)
    # One model on both sides (Fig. 4) fits where two copies of it might not.
    device = cloud if pair.device == pair.cloud else load_pipeline(pair.device, dtype=pair.dtype, device=place)
    check_same_latent_space(cloud, device)
    return cloud, device


def cloud_only(server: CloudServer, query: Query, whole: Stretch) -> torch.Tensor:
    """The baseline without privacy or device: the large model alone, from the same z_T; (1, c, h, w).

    It shows the server the real prompt, so it belongs in a comparison where both sides run on one machine, never in
    the scheme itself.
    """
    request = CloudRequest((query.prompt,), whole.steps, 0, whole.steps, whole.guidance_scale, query.seed)
    return CloudServer(server.pipeline, batch=server.batch).denoise(request).latents
