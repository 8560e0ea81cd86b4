"""Guess from latents: a classifier trained on those that the server makes of every candidate from other noise."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.diffusion.denoise import Stretch, denoise
from obclip_cli.diffusion.schedule import guidance_of

STEPS, SEEDS = 5, range(1000, 1004)
BATCH = 64


class Latents:
    """Breaks schemes that send one prompt: its latent shows who is in it. Needs no judge."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.pair, self.pipeline = knowledge.pair, knowledge.pipeline
        self.trained: dict[tuple[str, ...], Pipeline] = {}
        self.made: dict[tuple[str, int], np.ndarray] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The mean over the request's latents of what the classifier says; needs a model and two candidates."""
        if self.pipeline is None or transcript.n < 2:
            return None
        if transcript.candidates not in self.trained:
            self.trained[transcript.candidates] = self._train(transcript.candidates)
        seen = self._make([(prompt, transcript.seen.request.noise_seed) for prompt in transcript.seen.prompts])
        chances: np.ndarray = self.trained[transcript.candidates].predict_proba(seen).mean(axis=0)
        return chances.round(9)

    def _train(self, candidates: tuple[str, ...]) -> Pipeline:
        """Which candidate a latent is of."""
        pairs = [(prompt, seed) for prompt in candidates for seed in SEEDS]
        labels = [place for place in range(len(candidates)) for _ in SEEDS]
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(self._make(pairs), labels)

    def _make(self, wanted: list[tuple[str, int]]) -> np.ndarray:
        """The cloud's latents after a few steps, one flat row a prompt and seed."""
        assert self.pair is not None and self.pipeline is not None
        stretch = Stretch(2 * STEPS, 0, STEPS, guidance_of(self.pair, self.pair.cloud))
        new = [one for one in dict.fromkeys(wanted) if one not in self.made]
        for start in range(0, len(new), BATCH):
            prompts, seeds = zip(*new[start : start + BATCH], strict=True)
            latents: torch.Tensor = denoise(self.pipeline, prompts, stretch, seeds=seeds).latents
            self.made |= dict(zip(new[start : start + BATCH], latents.flatten(1).float().cpu().numpy(), strict=True))
        return np.stack([self.made[one] for one in wanted])
