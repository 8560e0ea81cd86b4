"""Generate a dataset with several methods from the same noise, and score each.

Without caches that mix rows, a candidate's latent does not depend on the other candidates. So for
scores the cloud computes only the rows that are kept; what all N would cost is counted, not run.
`tests/test_evaluation.py` checks that this gives the images of the whole scheme.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.cost.macs import unet_macs
from obclip_cli.data import Sample
from obclip_cli.diffusion.denoise import decode, encode_prompts, initial_noise, run_steps, trajectory
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.metrics.attribute_accuracy import attribute_accuracy
from obclip_cli.metrics.clip_score import clip_score
from obclip_cli.metrics.fid import fid
from obclip_cli.metrics.inception_score import inception_score
from obclip_cli.metrics.judge import Judge

Progress = Callable[[int], None]
BATCH = 50


@dataclass(frozen=True)
class Method:
    """One way to make the images: who runs which steps, and which words the cloud sees.

    Attributes:
        hidden: the cloud sees the canonical candidate among N (ObCLIP), not the user's words.
    """

    name: str
    order: str
    switch_point: int
    hidden: bool = False


@dataclass(frozen=True)
class Pair:
    """Both models and how they are run."""

    cloud: StableDiffusionPipeline
    device: StableDiffusionPipeline
    steps: int
    guidance_scale: float

    def macs(self, method: Method, candidates: int) -> tuple[int, int]:
        """(cloud, device) multiply-accumulates of one image with `candidates` rows on the cloud."""
        passes = 2 if self.guidance_scale > 1 else 1
        rows = candidates if method.hidden else 1
        cloud = unet_macs(self.cloud.unet.config, self.cloud.tokenizer.model_max_length)
        device = unet_macs(self.device.unet.config, self.device.tokenizer.model_max_length)
        on_cloud = method.switch_point
        return cloud * passes * on_cloud * rows, device * passes * (self.steps - on_cloud)


def generate_images(
    pair: Pair, samples: list[Sample], methods: list[Method], canonical: list[str], advance: Progress
) -> dict[str, torch.Tensor]:
    """All samples by all methods: name -> uint8 images (n, 3, H, W).

    Args:
        canonical: each sample's prompt as the cloud sees it among the candidates.
        advance: told how many step-rows have been run.
    """
    parts: dict[str, list[torch.Tensor]] = {method.name: [] for method in methods}
    for start in range(0, len(samples), BATCH):
        stretch = slice(start, start + BATCH)
        batch = _Batch(pair, samples[stretch], canonical[stretch], advance)
        for name, latents in batch.run(methods):
            parts[name].append((decode(pair.device, latents) * 255).round().to(torch.uint8))
    return {name: torch.cat(images) for name, images in parts.items()}


def step_rows(pair: Pair, methods: list[Method], samples: list[Sample], canonical: list[str]) -> int:
    """How many step-rows `generate_images` will report, for a progress bar."""
    total = 0

    def count(rows: int) -> None:
        nonlocal total
        total += rows

    for start in range(0, len(samples), BATCH):
        stretch = slice(start, start + BATCH)
        _Batch(pair, samples[stretch], canonical[stretch], count).plan(methods)
    return total


class _Batch:
    """Some samples; keeps what several methods share: the first model's way from z_T."""

    def __init__(self, pair: Pair, samples: list[Sample], canonical: list[str], advance: Progress) -> None:
        self.pair, self.samples, self.advance = pair, samples, advance
        self.prompts = {False: [sample.prompt for sample in samples], True: canonical}

    def _cloud_prompts(self, method: Method) -> tuple[str, ...]:
        return tuple(self.prompts[method.hidden])

    def _groups(self, methods: list[Method]) -> dict[tuple[str, tuple[str, ...]], list[Method]]:
        """Methods that share the way from z_T: same first model, same words."""
        groups: dict[tuple[str, tuple[str, ...]], list[Method]] = {}
        for method in methods:
            first = "cloud" if method.order == "server_first" else "device"
            words = self._cloud_prompts(method) if first == "cloud" else tuple(self.prompts[False])
            groups.setdefault((first, words), []).append(method)
        return groups

    def plan(self, methods: list[Method]) -> None:
        """Report the work without doing it."""
        for (first, _), group in self._groups(methods).items():
            longest = max(self._first_steps(method, first) for method in group)
            rest = {self._second(method, first) for method in group}
            self.advance(len(self.samples) * (longest + sum(self.pair.steps - reached for _, reached in rest)))

    def _first_steps(self, method: Method, first: str) -> int:
        return method.switch_point if first == "cloud" else self.pair.steps - method.switch_point

    def _second(self, method: Method, first: str) -> tuple[tuple[str, ...], int]:
        """Words and first step of the second model; methods that agree in both share its work."""
        words = tuple(self.prompts[False]) if first == "cloud" else self._cloud_prompts(method)
        return words, self._first_steps(method, first)

    def run(self, methods: list[Method]) -> Iterator[tuple[str, torch.Tensor]]:
        """(method's name, final latents) in some order."""
        for (first, words), group in self._groups(methods).items():
            models = {"cloud": self.pair.cloud, "device": self.pair.device}
            second = models["device" if first == "cloud" else "cloud"]
            switches = {self._first_steps(method, first) for method in group}
            reached = self._walk(models[first], words, switches)
            finished: dict[tuple[tuple[str, ...], int], torch.Tensor] = {}
            for method in group:
                key = self._second(method, first)
                if key not in finished:
                    finished[key] = self._finish(second, key[0], key[1], reached[key[1]])
                yield method.name, finished[key]

    def _noise(self, pipeline: StableDiffusionPipeline) -> torch.Tensor:
        shape = latent_shape(pipeline)
        return torch.cat([initial_noise(pipeline, shape, sample.seed) for sample in self.samples])

    def _walk(
        self, pipeline: StableDiffusionPipeline, words: tuple[str, ...], switches: set[int]
    ) -> dict[int, torch.Tensor]:
        """Latents after each number of steps in `switches`, from one pass over the longest."""
        latents = self._noise(pipeline)
        reached = {0: latents}
        if max(switches) > 0:
            embeds = encode_prompts(pipeline, list(words), self.pair.guidance_scale)
            path = trajectory(
                pipeline,
                latents,
                embeds,
                steps=self.pair.steps,
                start=0,
                stop=max(switches),
                guidance_scale=self.pair.guidance_scale,
            )
            for done, latents in enumerate(path, start=1):
                self.advance(len(self.samples))
                if done in switches:
                    reached[done] = latents
        return reached

    def _finish(
        self, pipeline: StableDiffusionPipeline, words: tuple[str, ...], start: int, latents: torch.Tensor
    ) -> torch.Tensor:
        if start == self.pair.steps:
            return latents
        finished = run_steps(
            pipeline,
            latents,
            encode_prompts(pipeline, list(words), self.pair.guidance_scale),
            steps=self.pair.steps,
            start=start,
            stop=self.pair.steps,
            guidance_scale=self.pair.guidance_scale,
        )
        self.advance(len(self.samples) * (self.pair.steps - start))
        return finished


@torch.no_grad()
def features_of(judge: Judge, images: torch.Tensor, batch: int = 128) -> torch.Tensor:
    """Unit features (n, d) of uint8 images (n, 3, H, W)."""
    return torch.cat([judge(part) for part in images.split(batch)])


def score(
    judge: Judge, features: torch.Tensor, prompts: list[str], labels: list[dict[str, str]], reference: torch.Tensor
) -> dict[str, float]:
    """All scores of one set of images.

    Args:
        features: of the images, (n, d).
        prompts: what the user asked for, one an image.
        labels: attribute -> value each image should show; empty where the dataset does not say.
        reference: features of the reference images, (m, d).

    Returns:
        fid (judge features times 10: squared units), is (over the judge's roles), clip (cosine), and the
        share of images with the right gender, tone, and role among the judge's top 3; nan where unknown.
    """
    scores = {
        "fid": fid(10 * reference, 10 * features),
        "is": inception_score(judge.logits("role", features)),
        "clip": clip_score(features, judge.text(prompts)),
    }
    for head, top in (("gender", 1), ("tone", 1), ("role", 3)):
        wanted = [label.get(head) for label in labels]
        accuracy = attribute_accuracy(judge.logits(head, features), wanted, judge.labels[head], top=top)
        scores[f"{head}_top{top}" if top > 1 else head] = accuracy
    return {name: value if math.isnan(value) else round(value, 4) for name, value in scores.items()}
