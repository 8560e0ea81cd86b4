"""What the cloud alone makes of a run's prompts from other noise: its own distribution.

"Utility comparable to cloud models" (arXiv 2510.04153, Section 1) asks how near a method comes to that. The images lie
beside those of the methods, which share them, and are made once a run; a stopped run resumes.
"""

import hashlib
from dataclasses import replace

import torch
from accelerate import PartialState

from obclip_cli.config import Config
from obclip_cli.data import Dataset, Sample
from obclip_cli.data.pictures import scored_as
from obclip_cli.evaluation.generate import Pair, outstanding, run_work, samples_at_once, step_rows
from obclip_cli.evaluation.images import StoredImages, stored_images
from obclip_cli.evaluation.methods import CLOUD_ONLY, Method
from obclip_cli.evaluation.store import RunFolder
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.metrics.scores import BATCH
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.report.progress import ProgressBar

OTHER_NOISE = "cloud-only, other noise"
SEED_BYTES = 4  # torch's generator on a CPU looks at no more


def with_other_noise(samples: list[Sample], draws: int) -> list[Sample]:
    """Every prompt `draws` times, each with noise of its own."""
    return [replace(sample, seed=_other(sample.seed, draw)) for draw in range(draws) for sample in samples]


def _other(seed: int, draw: int) -> int:
    return int.from_bytes(hashlib.sha256(f"other noise {seed} {draw}".encode()).digest()[:SEED_BYTES])


def other_images(run: RunFolder) -> StoredImages:
    """Where they lie; none where `scores.cloud_draws` is 0."""
    count = run.config.scores.cloud_draws * len(run.samples)
    return stored_images(run.folder, [OTHER_NOISE], count)[OTHER_NOISE]


def make_missing(run: RunFolder, pair: Pair, sharing: PartialState, progress: ProgressBar) -> None:
    """This process's share of those that are not there yet, in whole batches."""
    images, samples = other_images(run), with_other_noise(run.samples, run.config.scores.cloud_draws)
    method = cloud_alone(run.config)
    sets = [CandidateSet((sample.prompt,), 0, {}) for sample in samples]
    works = outstanding(len(samples), [method], lambda _, place: images.has(place), samples_at_once(pair))
    share = [work for work in works if work.methods][sharing.process_index :: sharing.num_processes]
    rows = sum(step_rows(pair, work, samples, sets) for work in share)
    advance = progress("the cloud's images", rows) if sharing.is_main_process and share else lambda _: None
    for work in share:
        for _, made in run_work(pair, work, samples, sets, advance):
            for place, image in zip(work.places, made, strict=True):
                images.write(place, image)


def cloud_alone(config: Config) -> Method:
    """The large model from the first step to the last, on the prompt as it is."""
    return Method(CLOUD_ONLY, "server_first", config.cloud_steps)


def cloud_features(run: RunFolder, dataset: Dataset, extractor: FeatureExtractor) -> torch.Tensor | None:
    """Their pooled features (m, d), scored as the methods' images are; None where there are none."""
    size, jpeg = dataset.size, getattr(dataset, "jpeg", None)
    found = [extractor.extract(scored_as(batch, size, jpeg)).pooled for batch in other_images(run).batches(BATCH)]
    return torch.cat(found) if found else None
