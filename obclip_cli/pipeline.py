"""The whole scheme on one page (arXiv 2510.04153, Algorithm 1), and the pipeline for Python.

The one file that holds both sides. Only bytes pass between them, so a network can take its place.
"""

import time
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config, overrides_for
from obclip_cli.config import Config, ModelConfig, PairConfig, taxonomy_path
from obclip_cli.cost.macs import run_macs
from obclip_cli.data.pictures import as_rgb
from obclip_cli.device.client import Client, Picture, Query
from obclip_cli.device.remote import RemoteCloud, Watch, check_fits, served
from obclip_cli.device.secret import client_key, make_on_first_use
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.diffusion.models import (
    check_has_autoencoder,
    check_same_latent_space,
    default_device,
    load_pipeline,
    name_of,
    with_solver,
)
from obclip_cli.diffusion.schedule import schedule_in_words, share_schedule, split
from obclip_cli.errors import UserError
from obclip_cli.prompts.decoys import rounded
from obclip_cli.prompts.detect_transformer import load_detector
from obclip_cli.prompts.reading import Reading, decide, read_for
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.prompts.window import Window
from obclip_cli.protocol import CloudRequest, CloudResponse


@dataclass(frozen=True)
class Outcome:
    """One image and what it took.

    Attributes:
        latents: the final latents of the real prompt, (1, c, h, w).
        candidate_latents: what came back, (N, c, h, w).
        candidate_history: the solver's last prediction of their clean latents, (N, c, h, w), where that came too.
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
    candidate_history: torch.Tensor | None = None


class Server(Protocol):
    """Whatever answers requests: a `CloudServer` in this process, or a `RemoteCloud` at the other end of a wire."""

    def answer(self, message: bytes) -> bytes:
        """Bytes of a CloudRequest in, bytes of a CloudResponse out."""
        ...


def oblivious_generation(
    client: Client, server: Server, prompt: str, seed: int, picture: Picture | None = None
) -> Outcome:
    """Algorithm 1: the cloud denoises every candidate, the device keeps and finishes its own.

    Args:
        picture: of the user's, that the image is to be like; it stays on the device.
    """
    if picture is not None:
        picture.last(client.split)  # refuses one that cannot be used before anything is sent
    started = time.perf_counter()
    query = client.prepare(prompt, seed)  # lines 1-2: find the attributes, build P
    request = client.request(query)
    message_up = request.to_bytes()
    asked = time.perf_counter()
    message_down = server.answer(message_up)  # lines 3-8: k steps of M_S for all of P, from one z_T
    answered = time.perf_counter()
    response = CloudResponse.from_bytes(message_down)
    state = client.select(query, response)  # line 9: keep the latent of p*
    latents = client.finish(query, state, picture)  # lines 10-12: T-k steps of M_C on p*
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
        candidate_history=response.history,
    )


def assemble(config: Config) -> tuple[Client, CloudServer]:
    """Load both models of the pair and set up the two sides.

    Raises:
        UserError: a model, the detector, the taxonomy or the client's secret cannot be loaded.
    """
    return both_sides(config, *load_pipelines(config.pair))


def both_sides(config: Config, cloud: DiffusionPipeline, device: DiffusionPipeline) -> tuple[Client, CloudServer]:
    """Set up the two sides on models that are loaded.

    Raises:
        UserError: the detector, the taxonomy or the client's secret cannot be loaded.
    """
    return client_side(config, device), CloudServer.of(config, cloud)


def client_side(config: Config, device: DiffusionPipeline) -> Client:
    """Set up the client alone; errors as in `both_sides`."""
    key = client_key(config.privacy)
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    find = load_detector(config.privacy.detector)
    return Client(device, taxonomy, split(config.pair, config.hybrid), config.privacy, key, find=find)


def load_remote(config: Config, watch: Watch | None = None) -> tuple[DiffusionPipeline, RemoteCloud]:
    """The device's model, and the server at `cloud.server` in place of the cloud's, which need not be here.

    Raises:
        UserError: the server is out of reach or does not fit, or the device's model cannot be loaded.
    """
    assert config.cloud.server is not None
    cloud, divided = RemoteCloud(config.cloud.server, watch=watch), split(config.pair, config.hybrid)
    cloud.offer(divided.cloud.steps)  # before a model is loaded in vain
    device = load_pipeline(config.pair.device, dtype=config.pair.dtype, device=default_device())
    check_has_autoencoder(device)
    check_fits(cloud, device, divided, config.pair)
    return device, cloud


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
    share_schedule(cloud, device)
    return cloud, device


def cloud_only(server: CloudServer, query: Query, whole: Stretch) -> torch.Tensor:
    """The baseline without privacy or device: the large model alone, from the same z_T; (1, c, h, w).

    It shows the server the real prompt, so it belongs in a comparison where both sides run on one machine, never in
    the scheme itself.
    """
    request = CloudRequest((query.prompt,), whole.steps, 0, whole.steps, whole.guidance_scale, query.seed)
    return CloudServer(server.pipeline, batch=server.batch).denoise(request).latents


class Cost(NamedTuple):
    """Multiply-accumulates of one image on each side; on the cloud for all candidates together."""

    cloud: int
    device: int


@dataclass(frozen=True)
class ObCLIPOutput:
    """What one call of `ObCLIPPipeline` returns.

    Attributes:
        images: PIL images, as diffusers' pipelines return them; always one.
        cost: multiply-accumulates of both sides.
        decode_seconds: wall-clock time of the autoencoder; that of both sides is in `outcome`.
        outcome: latents, messages and times of the run behind the image.
        reading: what of the prompt was hidden, and what stayed in sight.
    """

    images: list[Image.Image]
    cost: Cost
    decode_seconds: float
    outcome: Outcome
    reading: Reading

    @property
    def candidates(self) -> tuple[str, ...]:
        """The prompts that the cloud saw, in an order that tells nothing about the real one."""
        return self.outcome.request.candidates

    @property
    def lambda_(self) -> float | None:
        """How much better than 1/N the cloud's best guess may be; None where nothing is hidden."""
        return self.outcome.query.lambda_ if self.outcome.query.n > 1 else None

    @property
    def lambda_by_attribute(self) -> dict[str, float]:
        """The same for the value of each attribute alone, against its blind guess; of several persons the largest."""
        return rounded(self.outcome.query.by_attribute)

    @property
    def bytes_up(self) -> int:
        """Length of the request as sent."""
        return self.outcome.bytes_up

    @property
    def bytes_down(self) -> int:
        """Length of the response as sent."""
        return self.outcome.bytes_down


class ObCLIPPipeline:
    """Both sides of the scheme on one machine, called as a diffusers pipeline is.

    Args:
        cloud: the large model, a stock Stable Diffusion or SDXL pipeline. It is not changed: its modules run with
            DPM-Solver++.
        device: the small model, which shares the cloud's latent space.
        taxonomy: which attributes are sensitive, a name in configs/privacy/taxonomy.
        guidance_scale: of classifier-free guidance, on both sides.
        **settings: any setting by the last part of its key, such as steps, switch_point, lambda_ or reuse; or a group,
            such as cache="paper_k10".

    Raises:
        UserError: a setting is unknown or out of range, a model has no UNet, or the latent spaces differ.
    """

    def __init__(
        self,
        cloud: DiffusionPipeline,
        device: DiffusionPipeline,
        *,
        taxonomy: str = "paper",
        guidance_scale: float = 7.0,
        **settings: Any,
    ) -> None:
        models = ModelConfig(name_of(cloud)), ModelConfig(name_of(device))
        config = compose_config(overrides_for(**settings))
        config.pair = PairConfig("custom", *models, taxonomy, guidance_scale)
        cloud_side = with_solver(cloud)
        device_side = cloud_side if device is cloud else with_solver(device)
        check_same_latent_space(cloud_side, device_side)
        share_schedule(cloud_side, device_side)
        self._set_up(config, cloud_side, device_side)

    @classmethod
    def from_pair(cls, pair: str = "mini", **settings: Any) -> "ObCLIPPipeline":
        """Load a pair by its name in configs/pair; settings as for the class.

        Raises:
            UserError: there is no such pair or setting, or a model cannot be loaded.
        """
        return cls.from_config(compose_config(overrides_for(pair=pair, **settings)))

    @classmethod
    def from_config(cls, config: Config, watch: Watch | None = None) -> "ObCLIPPipeline":
        """Load the pair of a composed configuration, or with `cloud.server` the device's model alone.

        Args:
            watch: told (steps begun, steps in all) while a remote server works.
        """
        pipeline = cls.__new__(cls)
        if config.cloud.server is None:
            pipeline._set_up(config, *load_pipelines(config.pair))
        else:
            device, cloud = load_remote(config, watch)
            pipeline._set_up(config, cloud, device)
        return pipeline

    def _set_up(self, config: Config, cloud: DiffusionPipeline | RemoteCloud, device: DiffusionPipeline) -> None:
        if made := make_on_first_use(config.privacy):
            warnings.warn(f"made a client secret in {made}; keep it, or new requests tell more", stacklevel=3)
        self.config, self.server = config, cloud
        self.client = client_side(config, device)
        if not isinstance(cloud, RemoteCloud):
            self.server = CloudServer.of(config, cloud)

    def read(self, prompt: str) -> Reading:
        """What would be hidden of a prompt, and what would stay in sight; nothing is sent.

        Raises:
            UserError: the prompt is empty, contradicts itself or has too many candidates.
        """
        cloud = self.client if isinstance(self.server, RemoteCloud) else self.server
        return read_for(prompt, self.config, Window.of(cloud.pipeline.tokenizer))

    def __call__(
        self,
        prompt: str | Reading,
        image: Image.Image | Picture | None = None,
        *,
        strength: float | None = None,
        cells: int = 8,
        seed: int = 0,
    ) -> ObCLIPOutput:
        """Generate one image.

        Warns of what stays in sight; with `privacy.on_exposure=refuse` such a prompt is not sent.

        Args:
            prompt: or its reading, where the user has seen that: it is sent without a warning.
            image: a picture whose low frequencies the image is to have. It never leaves the device: the request is
                the same without it.
            strength: the share of the steps that run without the picture; by default as large as k allows.
            cells: low frequencies are the means of cells x cells parts of the image.
            seed: of the starting noise z_T, which all candidates share.

        Raises:
            UserError: the prompt is empty, contradicts itself or has too many candidates, λ is out of range for it, it
                exposes something and is to be refused, or the strength does not fit to k.
        """
        picture = Picture(as_rgb(image), strength, cells) if isinstance(image, Image.Image) else image
        reading = prompt if isinstance(prompt, Reading) else self._seen(prompt)
        outcome = oblivious_generation(self.client, self.server, reading.prompt, seed, picture)
        started = time.perf_counter()
        images = self.decode(outcome.latents)
        decoded = time.perf_counter() - started
        return ObCLIPOutput(images, self._cost(outcome), decoded, outcome, reading)

    def _seen(self, prompt: str) -> Reading:
        """The reading of a prompt, with a warning or a refusal where something stays in sight."""
        reading, wish = self.read(prompt), self.config.privacy.on_exposure
        if self.config.privacy.strategy == "none":
            return reading
        todo = decide(reading, "warn" if wish == "ask" else wish, terminal=False)
        if todo == "refuse":
            raise UserError(reading.refusal())
        if todo == "warn":
            warnings.warn("; ".join(reading.lines()), stacklevel=3)
        return reading

    @property
    def server_logs_prompts(self) -> bool:
        """Whether a remote server says that it keeps prompts."""
        remote = self.server if isinstance(self.server, RemoteCloud) else None
        return remote is not None and remote.offer(self.client.split.cloud.steps).logs_prompts

    def decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """PIL images of latents (n, c, h, w)."""
        rows = (self.client.image(latents) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return [Image.fromarray(row) for row in rows]

    def _cost(self, outcome: Outcome) -> Cost:
        split, cache, batch = self.client.split, self.config.cache, self.config.rows_at_once
        if isinstance(self.server, RemoteCloud):
            offer = self.server.offer(split.cloud.steps)
            (cloud, cache), batch = served(offer), offer.rows
        else:
            cloud = Architecture.of(self.server.pipeline)
        models, candidates = (cloud, Architecture.of(self.client.pipeline)), len(outcome.request.candidates)
        sides = run_macs(*models, split, cache=cache, candidates=candidates, batch=batch)
        return Cost(*(sum(step.total for step in side) for side in sides))

    def facts(self, output: ObCLIPOutput) -> dict[str, Any]:
        """What the cloud saw and what each side did, under the names of `summary.json`."""
        outcome, split = output.outcome, self.client.split
        query = outcome.query
        return {
            "prompt": query.prompt,
            "seed": query.seed,
            "attributes": [{"person": p, "attribute": a, "value": v} for (p, a), v in query.candidates.slots.items()],
            "reading": output.reading.record(output.lambda_),
            "n": query.n,
            "m": len(output.candidates),
            "lambda": None if output.lambda_ is None else round(output.lambda_, 9),
            "lambda_by_attribute": output.lambda_by_attribute,
            "cloud_saw": list(output.candidates),
            "bytes_up": output.bytes_up,
            "bytes_down": output.bytes_down,
            "schedule": schedule_in_words(self.config.pair, self.client.pipeline.scheduler),
            "cloud_steps": split.cloud_steps,
            "device_steps": split.device_steps,
            "cloud_macs": output.cost.cloud,
            "device_macs": output.cost.device,
            "cloud_seconds": round(outcome.cloud_seconds, 3),
            "device_seconds": round(outcome.device_seconds, 3),
            "decode_seconds": round(output.decode_seconds, 3),
        }


def load_pair(name: str = "mini") -> tuple[DiffusionPipeline, DiffusionPipeline]:
    """The cloud's and the device's pipeline of a pair in configs/pair, both stock diffusers pipelines.

    Raises:
        UserError: there is no such pair, or a model cannot be loaded.
    """
    return load_pipelines(compose_config([f"pair={name}"]).pair)
