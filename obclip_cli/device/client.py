"""The device's side of Algorithm 1 (arXiv 2510.04153): build P, ask, select, finish."""

import random
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as vision

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.choice import Chooser
from obclip_cli.diffusion.denoise import Change, State, Stretch, decode, denoise, initial_noise
from obclip_cli.diffusion.image_to_image import Blend, encode, places_of
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.diffusion.schedule import Split
from obclip_cli.errors import UserError, require
from obclip_cli.prompts.candidates import CandidateSet, check_prompt
from obclip_cli.prompts.detect import Detector, detect
from obclip_cli.prompts.reading import candidates_for
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse
from obclip_cli.runs import digest_of


@dataclass(frozen=True)
class Query:
    """What the device remembers of one prompt while the cloud works. Secret.

    Attributes:
        prompt: the user's own words, names and all.
        candidates: S as it is sent; its `index` is the one that the device goes on with.
        n: candidates that the prompt has, |P|.
        lambda_: reached by S.
        by_attribute: λ of each attribute alone.
    """

    prompt: str
    candidates: CandidateSet
    seed: int
    n: int = 1
    lambda_: float = 0.0
    by_attribute: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """What the image is to look like, beside the words. Secret: nothing of it is sent.

    Attributes:
        image: of any size; its middle is taken where it has another shape than the image.
        strength: the share of the schedule that runs without it, as in diffusers: the picture is blended in before
            every step of the device's until then. None: at the switch point only, the largest that there is.
        cells: it gives the means of cells x cells parts of the image; more are nearer to it.
    """

    image: Image.Image
    strength: float | None = None
    cells: int = 8

    @property
    def facts(self) -> dict[str, Any]:
        """What tells it from others."""
        content = digest_of([self.image.tobytes(), str(self.image.size).encode()])
        return {"digest": content, "strength": self.strength, "cells": self.cells}

    def last(self, divided: Split) -> int:
        """The last step before which it is blended in.

        Raises:
            UserError: there is none, the strength or the number of cells is out of range, or the device goes first.
        """
        begin, steps = divided.device.start, divided.device.steps
        require(
            divided.order == "server_first" and begin < steps,
            "a picture enters on the device after the cloud's steps; use hybrid.order=server_first and a smaller -k",
        )
        require(1 <= self.cells <= 64, f"cells={self.cells} must lie in 1..64")
        if self.strength is None:
            return begin
        least, most = 1 / steps, (steps - begin) / steps
        require(
            least <= self.strength <= most,
            f"strength={self.strength} must lie in {least:.3g}..{most:.3g}: the picture enters "
            "after the cloud's steps, and a smaller -k lets it enter earlier",
        )
        return places_of(self.strength, steps)


class Client:
    """Holds M_C and the user's prompts.

    Args:
        pipeline: the small model.
        taxonomy: which attributes are sensitive.
        split: which side runs which steps.
        key: the client's secret, for the strategies bucket and dp.
        chance: randomness that the cloud must not be able to repeat; the system's unless given.
        find: what finds the attributes.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        taxonomy: Taxonomy,
        split: Split,
        privacy: PrivacyConfig,
        key: bytes | None = None,
        chance: random.Random | None = None,
        find: Detector = detect,
    ) -> None:
        self.pipeline, self.taxonomy = pipeline, taxonomy
        self.split, self.privacy = split, privacy
        self.find = find
        self.chooser = Chooser(taxonomy, privacy, key, chance or random.SystemRandom())

    def prepare(self, prompt: str, seed: int) -> Query:
        """Find the attributes, build the candidates and choose which of them to send.

        Raises:
            UserError: the prompt is empty, contradicts itself or has too many candidates, or λ is out of range for it.
        """
        plain = check_prompt(prompt)
        if self.privacy.strategy == "none":
            return Query(plain, CandidateSet((plain,), 0, {}), seed)
        return self.hide(plain, candidates_for(prompt, self.taxonomy, self.privacy, self.find), seed)

    def hide(self, prompt: str, candidates: CandidateSet, seed: int) -> Query:
        """Choose what is sent for a prompt whose candidates are known.

        Raises:
            UserError: λ is out of range for this prompt.
        """
        choice = self.chooser.choose(candidates)
        return Query(prompt, choice.sent, seed, choice.n, choice.lambda_, choice.by_attribute)

    def request(self, query: Query) -> CloudRequest:
        """What goes up: all candidates, and the device's latent if the device goes first.

        Raises:
            UserError: the device would go first although its prompt is to stay hidden.
        """
        cloud, state = self.split.cloud, None
        with_history = self.split.handover == "history"
        if self.split.order == "client_first":
            if self.privacy.strategy != "none":
                raise UserError(
                    "hybrid.order=client_first sends a latent that the real prompt has shaped; "
                    "use hybrid.order=server_first, or privacy.strategy=none to send the prompt in the clear"
                )
            state = self._run(query, None, self.split.device)
        return CloudRequest(
            candidates=query.candidates.prompts,
            steps=cloud.steps,
            start=cloud.start,
            stop=cloud.stop,
            positions=cloud.positions,
            guidance_scale=cloud.guidance_scale,
            noise_seed=query.seed,
            wants_history=with_history and self.split.order == "server_first",
            latents=None if state is None else state.latents,
            history=state.history if state is not None and with_history else None,
        )

    def select(self, query: Query, response: CloudResponse) -> State:
        """The state of the real prompt: its latent (1, c, h, w), and its history where that came back."""
        own = State(response.latents, response.history).rows(slice(query.candidates.index, query.candidates.index + 1))
        here = self.pipeline.device
        return State(own.latents.to(here), None if own.history is None else own.history.to(here))

    def finish(self, query: Query, state: State, picture: Picture | None = None) -> torch.Tensor:
        """Run the remaining steps on the user's own words, and picture; the final latents (1, c, h, w)."""
        if self.split.order == "client_first":
            return state.latents
        change = None if picture is None else self._blend(query, picture)
        return self._run(query, state, self.split.device, change).latents

    def _blend(self, query: Query, picture: Picture) -> Blend:
        """What gives latents the picture's low frequencies."""
        height, width = (side * self.pipeline.vae_scale_factor for side in latent_shape(self.pipeline)[1:])
        pixels = vision.to_image(ImageOps.fit(picture.image, (width, height), Image.Resampling.BICUBIC))
        clean = encode(self.pipeline, vision.to_dtype(pixels, torch.float32, scale=True)[None])
        last, steps = picture.last(self.split), self.split.device.steps
        noise = initial_noise(self.pipeline, latent_shape(self.pipeline), query.seed)
        return Blend(self.pipeline, clean, noise, last, steps, picture.cells)

    def image(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (n, c, h, w) to images (n, 3, H, W) in [0, 1]."""
        return decode(self.pipeline, latents.to(self.pipeline.device))

    def foretold(self, request: CloudRequest, latents: torch.Tensor, *, rows: int) -> torch.Tensor | None:
        """The clean latents that every candidate's latent foretells at the hand-over, (N, c, h, w).

        By the small model under the candidate's words, one pass each: what a server could see by its large one. The
        state of DPM-Solver++ after a step holds this prediction. None where the latents are clean, or for LCM.

        Args:
            latents: what came back, (N, c, h, w).
            rows: most candidates at once.
        """
        begin = self.split.device.start
        if self.split.order == "client_first" or begin == self.split.device.steps:
            return None
        once, found = replace(self.split.device, stop=begin + 1, positions=None, before=None), []
        for first in range(0, len(latents), rows):
            words = list(request.candidates[first : first + rows])
            state = State(latents[first : first + rows].to(self.pipeline.device))
            seeds = [request.noise_seed] * len(words)
            found.append(denoise(self.pipeline, words, once, seeds=seeds, state=state).history)
        return None if any(one is None for one in found) else torch.cat([one for one in found if one is not None])

    def alone(self, query: Query) -> torch.Tensor:
        """Device-only: the final latents of the small model from the same z_T."""
        whole = Stretch(self.split.device.steps, 0, self.split.device.steps, self.split.device.guidance_scale)
        return self._run(query, None, whole).latents

    def _run(self, query: Query, state: State | None, stretch: Stretch, change: Change | None = None) -> State:
        return denoise(self.pipeline, [query.prompt], stretch, seeds=[query.seed], state=state, change=change)
