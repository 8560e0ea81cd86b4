"""Guess from a noised picture: what image-to-image gives away where the device sends its noised latent."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from obclip_cli.attacks.knowledge import Guesser, Knowledge
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.diffusion.denoise import State, Stretch, decode, denoise
from obclip_cli.diffusion.image_to_image import noised
from obclip_cli.diffusion.schedule import guidance_of

STEPS, SEEDS = 8, range(1000, 1003)
BATCH = 64
Seen = dict[str, np.ndarray]


class NoisedLatent(Guesser):
    """Breaks image-to-image done the obvious way: a noised picture shows who is in it, whatever stands in the prompts.

    One pass of the server's model without words foretells the clean image, and the judge looks at it; a classifier
    trained on noised latents of the same step says what that means. Words that the candidates share tell it no more.
    """

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.pair, self.pipeline, self.judge = knowledge.pair, knowledge.pipeline, knowledge.judge
        self.lessons: dict[tuple[str, ...], tuple[torch.Tensor, list[tuple[str, ...]]]] = {}
        self.trained: dict[tuple[object, ...], list[Pipeline]] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """By what the classifier of each attribute says; needs a latent in the request, a model and a judge."""
        request, slots = transcript.seen.request, transcript.attributes
        if request.latents is None or self.judge is None or not {*slots} <= {*self.judge.labels}:
            return None
        at = request.start, request.steps
        seen = self.look(request.latents, [""], *at)
        if (key := (slots, *at)) not in self.trained:
            self.trained[key] = self._train(transcript, *at)
        chances = np.ones(transcript.n)
        for slot, reader in enumerate(self.trained[key]):
            likely = dict(zip(reader.classes_, reader.predict_proba(seen[slots[slot]])[0], strict=True))
            chances *= [likely.get(values[slot], 0.0) for values in transcript.values]
        return self.weighed(transcript, chances) if chances.any() else None

    def look(self, latents: torch.Tensor, words: Sequence[str], start: int, steps: int) -> Seen:
        """What the judge sees in noised latents (n, c, h, w): attribute -> scores of its values, (n, values).

        Args:
            words: n prompts of the one pass, which has no guidance; empty where nothing was said.
        """
        assert self.pipeline is not None and self.judge is not None
        once, foretold = Stretch(steps, start, start + 1, 1.0), []
        for first in range(0, len(words), BATCH):
            rows = slice(first, first + BATCH)
            prompts, state = words[rows], State(latents[rows].to(self.pipeline.device))
            reached = denoise(self.pipeline, prompts, once, seeds=[0] * len(prompts), state=state)
            foretold.append(reached.latents if reached.history is None else reached.history)
        features = self.judge((decode(self.pipeline, torch.cat(foretold)) * 255).round().to(torch.uint8))
        return {attribute: self.judge.logits(attribute, features).numpy() for attribute in self.judge.labels}

    def _train(self, transcript: Transcript, start: int, steps: int) -> list[Pipeline]:
        """A classifier an attribute, learnt on images that the server's model makes of one prompt's candidates."""
        assert self.pair is not None and self.pipeline is not None
        if transcript.attributes not in self.lessons:
            pairs = [(place, seed) for place in range(transcript.n) for seed in SEEDS]
            prompts = [transcript.candidates[place] for place, _ in pairs]
            whole = Stretch(STEPS, 0, STEPS, guidance_of(self.pair, self.pair.cloud))
            images = denoise(self.pipeline, prompts, whole, seeds=[seed for _, seed in pairs]).latents
            self.lessons[transcript.attributes] = images, [transcript.values[place] for place, _ in pairs]
        images, values = self.lessons[transcript.attributes]
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(start)).to(images)
        seen = self.look(noised(self.pipeline, images, noise, start, steps), [""] * len(images), start, steps)
        return [learn(seen[name], [row[slot] for row in values]) for slot, name in enumerate(transcript.attributes)]


def learn(seen: np.ndarray, values: Sequence[str]) -> Pipeline:
    """A classifier of what the judge sees, (n, scores)."""
    several = len(set(values)) > 1
    chosen = LogisticRegression(C=0.1, max_iter=1000) if several else DummyClassifier()
    return make_pipeline(StandardScaler(), chosen).fit(seen, values)
