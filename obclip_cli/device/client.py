"""The device's side of Algorithm 1 (arXiv 2510.04153): build P, ask, select, finish."""

import random
from dataclasses import dataclass, field, replace

import torch
from diffusers import DiffusionPipeline

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.choice import Chooser
from obclip_cli.diffusion.denoise import State, Stretch, decode, denoise
from obclip_cli.diffusion.schedule import Split
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import CandidateSet, check_prompt
from obclip_cli.prompts.detect import Detector, detect
from obclip_cli.prompts.reading import candidates_for
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse


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

    def finish(self, query: Query, state: State) -> torch.Tensor:
        """Run the remaining steps on the user's own words; the final latents (1, c, h, w)."""
        if self.split.order == "client_first":
            return state.latents
        return self._run(query, state, self.split.device).latents

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

    def _run(self, query: Query, state: State | None, stretch: Stretch) -> State:
        return denoise(self.pipeline, [query.prompt], stretch, seeds=[query.seed], state=state)
