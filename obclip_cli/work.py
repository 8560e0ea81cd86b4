"""What of an evaluation is still to be generated, in batches that share what methods have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from obclip_cli.data import Sample
from obclip_cli.diffusion.denoise import decode
from obclip_cli.evaluation import Batch, Method, Pair, Progress
from obclip_cli.prompts.candidates import CandidateSet

DECODED = 16  # latents that the autoencoder takes at once
ProgressBar = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Work:
    """Samples, by their places in the dataset, and the methods whose images of them are to be made."""

    places: tuple[int, ...]
    methods: tuple[Method, ...]


def outstanding(
    count: int, methods: list[Method], is_done: Callable[[str, int], bool], batch: int
) -> Iterator[list[Work]]:
    """What is left to do, batch by batch: in a fresh batch all methods run together and share what they can."""
    for start in range(0, count, batch):
        groups: dict[tuple[str, ...], list[int]] = {}
        for place in range(start, min(start + batch, count)):
            groups.setdefault(tuple(m.name for m in methods if not is_done(m.name, place)), []).append(place)
        yield [
            Work(tuple(places), tuple(m for m in methods if m.name in missing))
            for missing, places in groups.items()
            if missing
        ]


def samples_at_once(pair: Pair) -> int:
    """Samples whose rows, two each with guidance, are as many as the cloud holds."""
    return max(1, pair.batch // 2)


def run_work(
    pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet], advance: Progress
) -> Iterator[tuple[list[str], torch.Tensor]]:
    """(names of methods, their uint8 images (n, 3, H, W) of the work's samples) in some order.

    Args:
        sets: each sample's candidates.
        advance: told how many step-rows have been run.
    """
    for names, latents in _batch(pair, work, samples, sets, advance).run(list(work.methods)):
        parts = [decode(pair.device, part) for part in latents.split(DECODED)]
        yield names, (torch.cat(parts) * 255).round().to(torch.uint8)


def step_rows(pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet]) -> int:
    """How many step-rows `run_work` will report, for a progress bar."""
    batch = _batch(pair, work, samples, sets, lambda _: None)
    return sum(way.step_rows for way in batch.ways(list(work.methods)))


def generate_images(
    pair: Pair, samples: list[Sample], methods: list[Method], sets: list[CandidateSet], progress: ProgressBar
) -> dict[str, torch.Tensor]:
    """All images in memory, for experiments that keep none: name -> uint8 (n, 3, H, W)."""
    batches = outstanding(len(samples), methods, lambda *_: False, samples_at_once(pair))
    works = [work for batch in batches for work in batch]
    advance = progress("images", sum(step_rows(pair, work, samples, sets) for work in works))
    parts: dict[str, list[torch.Tensor]] = {method.name: [] for method in methods}
    for work in works:
        for names, images in run_work(pair, work, samples, sets, advance):
            for name in names:
                parts[name].append(images)
    return {name: torch.cat(images) for name, images in parts.items()}


def _batch(pair: Pair, work: Work, samples: list[Sample], sets: list[CandidateSet], advance: Progress) -> Batch:
    return Batch(pair, [samples[i] for i in work.places], [sets[i] for i in work.places], advance)
