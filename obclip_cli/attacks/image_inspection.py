"""Guess from images: the server finishes what it received, and a judge reads the attributes."""

import numpy as np
import torch

from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.diffusion.denoise import Stretch, decode, denoise
from obclip_cli.diffusion.schedule import guidance_of

STEPS = 10


class ImageInspection:
    """Breaks schemes that send one prompt: its image shows who is in it."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.pair, self.pipeline, self.judge = knowledge.pair, knowledge.pipeline, knowledge.judge
        self.seen: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The mean over the request's images of what the judge sees; needs a judge that knows an attribute."""
        if self.judge is None or not set(transcript.attributes) & set(self.judge.labels):
            return None
        images = self._look(transcript.seen.prompts, transcript.seen.request.noise_seed)
        likely = np.array([[self._chance(image, transcript, v) for v in transcript.values] for image in images])
        chances: np.ndarray = (likely / likely.sum(axis=1, keepdims=True)).mean(axis=0)
        return chances

    def _chance(self, image: dict[str, np.ndarray], transcript: Transcript, values: tuple[str, ...]) -> float:
        """Probability of one candidate's values, as far as the judge knows them."""
        assert self.judge is not None
        chance = 1.0
        for attribute, value in zip(transcript.attributes, values, strict=True):
            classes = self.judge.labels.get(attribute, [])
            chance *= float(image[attribute][classes.index(value)]) if value in classes else 1.0
        return chance

    def _look(self, prompts: tuple[str, ...], seed: int) -> list[dict[str, np.ndarray]]:
        """What the judge sees in each finished image: attribute -> probabilities of its values."""
        assert self.judge is not None
        if new := [prompt for prompt in dict.fromkeys(prompts) if (prompt, seed) not in self.seen]:
            features = self.judge((self._finish(new, seed) * 255).round().to(torch.uint8))
            heads = {head: self.judge.logits(head, features).softmax(1).numpy() for head in self.judge.labels}
            for row, prompt in enumerate(new):
                self.seen[prompt, seed] = {head: chances[row] for head, chances in heads.items()}
        return [self.seen[prompt, seed] for prompt in prompts]

    def _finish(self, prompts: list[str], seed: int) -> torch.Tensor:
        """The images (n, 3, H, W) that the cloud's model makes of the prompts."""
        assert self.pair is not None and self.pipeline is not None
        stretch = Stretch(STEPS, 0, STEPS, guidance_of(self.pair, self.pair.cloud))
        seeds = [seed] * len(prompts)
        return decode(self.pipeline, denoise(self.pipeline, prompts, stretch, seeds=seeds).latents)
