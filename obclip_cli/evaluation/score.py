"""Score methods on a dataset: from a configuration to a run folder with images, scores and their intervals."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import PartialState

from obclip_cli import runs
from obclip_cli.compose import compose_config, overrides_for
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.data import Dataset, Sample, load_dataset
from obclip_cli.data.pictures import scored_as
from obclip_cli.diffusion.schedule import schedule_in_words
from obclip_cli.errors import UserError
from obclip_cli.evaluation.cloud_images import cloud_features, make_missing
from obclip_cli.evaluation.extractors import find_extractor, load_extractor
from obclip_cli.evaluation.generate import Pair, load_pair, outstanding, run_work, samples_at_once, step_rows
from obclip_cli.evaluation.hiding import Hidden, hide_all
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method, baselines_and_obclip, is_cloud_only
from obclip_cli.evaluation.rows import image_rows, method_row, score_columns
from obclip_cli.evaluation.store import RunFolder, run_name
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.metrics.references import reference_features
from obclip_cli.metrics.scores import BATCH, Measurements, estimates, measure
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.progress import ProgressBar, progress_bars

FEW = 20  # prompts
FID_OF_FEW = " FID and KID of {} images mean nothing; take hundreds of prompts."
COSTS = "cloud_gmacs: of a whole request, all n candidates; device_gmacs: of its one image."
# Settings of a dataset that change scores; captions name them.
DATASET_FACTS = ("size", "crop", "jpeg", "captions", "references")


def evaluate(
    pair: str = "mini", *, dataset: str = "emoji", folder: Path | None = None, **settings: Any
) -> pd.DataFrame:
    """Score both models alone, Hybrid SD and ObCLIP on a dataset, as `obclip eval` does.

    Args:
        pair, dataset: names in configs/pair and configs/dataset.
        folder: of the run, results/eval/<run> unless given; a stopped run resumes, a finished one is only read.
        **settings: any setting by the last part of its key, such as limit, steps, switch_point or lambda_.

    Returns:
        One row a method, each score with the ends of its 95 % interval (`fid`, `fid_low`, `fid_high`).

    Raises:
        UserError: a setting is unknown or out of range, or models or data are missing.
    """
    config = compose_config(overrides_for(pair=pair, dataset=dataset, **settings))
    methods = baselines_and_obclip(config)
    with progress_bars() as bar:
        return run_benchmark(config, methods, folder or Path("results/eval") / run_name(config, methods), bar)[0]


def run_benchmark(
    config: Config,
    methods: list[Method],
    folder: Path,
    progress: ProgressBar,
    cloud_only: tuple[StoredImages, list[Sample]] | None = None,
) -> tuple[pd.DataFrame, dict[str, StoredImages], list[Sample]]:
    """Generate and score. A run that was stopped resumes, a finished one is only read.

    Started by accelerate's launcher, every process makes a share of the images and the first one scores them.

    Args:
        cloud_only: what distances are measured to where no method of this run is the cloud alone: its images and
            their samples, which may be more than this run's.

    Returns:
        one row a method (and one of the real references, where it is known what they show), each score with its
        `_low` and `_high`; the images, read from disk when they are looked at; the samples.

    Raises:
        UserError: whatever the user can put right; what was finished is kept.
    """
    run = RunFolder(folder, config, methods)
    run.check()
    if not run.is_finished:
        _Evaluation(run, progress, cloud_only).complete()
    return run.scores, run.images, run.samples


def caption(config: Config, folder: Path) -> str:
    """The caption of a run's table: pair, sizes, dataset, and which network each score comes from."""
    return f"Pair {config.pair.name}, {config.hybrid.steps} steps, seed {config.seed}. {judged(config, folder)} {COSTS}"


def judged(config: Config, folder: Path) -> str:
    """A run's prompts, and which network each score comes from."""
    run = RunFolder(folder, config, [])
    by = run.metrics["examiner"]
    each = f"FID, KID and IS by {by['features']}; CLIP score by {by['clip']}; attributes by {by['attributes']}"
    each = f"all scores by {by['features']}" if len(set(by.values())) == 1 else each
    left_out = f" {len(run.left_out)} prompts cannot be hidden and are left out of every row." if run.left_out else ""
    left_out += FID_OF_FEW.format(len(run.samples)) if len(run.samples) <= FEW else ""
    facts = [f"{key} {config.dataset[key]}" for key in DATASET_FACTS if config.dataset.get(key) is not None]
    dataset = f"{config.dataset['name']} ({', '.join(facts)})" if facts else config.dataset["name"]
    draws = config.scores.cloud_draws
    own = f" fid_cloud: to the cloud's own images of the same prompts, from {draws} other noises each." if draws else ""
    return f"{len(run.samples)} prompts of {dataset}; {each}.{own} Intervals are of 95 %, over images.{left_out}"


@dataclass(frozen=True)
class _Scoring:
    """What scores are computed from."""

    dataset: Dataset
    extractor: FeatureExtractor
    reference: torch.Tensor
    cloud: torch.Tensor | None


class _Evaluation:
    """A run that is not finished."""

    def __init__(
        self, run: RunFolder, progress: ProgressBar, cloud_only: tuple[StoredImages, list[Sample]] | None
    ) -> None:
        self.run, self.config, self.progress, self.cloud_only = run, run.config, progress, cloud_only

    def complete(self) -> None:
        """Generate the missing images, then score all of them."""
        sharing = processes()
        runs.check_writable(self.run.folder)
        dataset = load_dataset(self.config.dataset)
        taxonomy = load_taxonomy(taxonomy_path(self.config.pair.taxonomy))
        hidden = hide_all(dataset.samples(self.config.seed), self.config.privacy, taxonomy)
        _check_enough(hidden)
        if sharing.is_main_process:
            self._check_scoring(dataset)
            pair = load_pair(self.config)
            schedule = schedule_in_words(self.config.pair, pair.device.scheduler)
            self.run.start(hidden.samples, hidden.left_out, schedule)
            scored = self._scored()
        sharing.wait_for_everyone()
        if not sharing.is_main_process:
            pair = load_pair(self.config)
        self._generate(pair, hidden, sharing)
        make_missing(self.run, pair, sharing, self.progress)
        pair.release()
        sharing.wait_for_everyone()
        if sharing.is_main_process:
            self._score(pair, hidden, self._load_scoring(dataset), scored)
        sharing.wait_for_everyone()

    def _check_scoring(self, dataset: Dataset) -> None:
        """Done before any image is generated, so that missing networks or references fail early."""
        find_extractor(self.config)
        counted = 0
        for batch in dataset.references(self.config.seed):
            counted += len(batch)
            if counted > 1:
                return
        if counted == 1:
            raise UserError(f"FID needs at least two reference images, dataset {dataset.name} has one")

    def _load_scoring(self, dataset: Dataset) -> _Scoring:
        """Done after the pair has given its memory back: its models and these networks need not fit side by side."""
        extractor = load_extractor(self.config)
        reference = reference_features(dataset.references(self.config.seed), extractor)
        return _Scoring(dataset, extractor, reference, cloud_features(self.run, dataset, extractor))

    def _generate(self, pair: Pair, hidden: Hidden, sharing: PartialState) -> None:
        """This process's share of the missing images, in whole batches.

        Batches are those of one process, however many there are: neither sharing nor resuming with another number of
        processes changes an image.
        """
        count, images, size = len(hidden.samples), self.run.images, samples_at_once(pair)
        batches = list(outstanding(count, self.run.methods, lambda name, place: images[name].has(place), size))
        share = batches[sharing.process_index :: sharing.num_processes]
        rows = sum(step_rows(pair, work, hidden.samples, hidden.sets) for work in share)
        advance = self.progress("images", rows) if sharing.is_main_process else lambda _: None
        for work in share:
            for names, made in run_work(pair, work, hidden.samples, hidden.sets, advance):
                for name in names:
                    for place, image in zip(work.places, made, strict=True):
                        if not images[name].has(place):
                            images[name].write(place, image)

    def _scored(self) -> set[str]:
        """Methods that are scored already and whose images are all on disk."""
        found = self.run.metrics["methods"]
        return {name for name, images in self.run.images.items() if name in found and images.are_complete}

    def _score(self, pair: Pair, hidden: Hidden, scoring: _Scoring, scored: set[str]) -> None:
        methods = {method.name: method for method in self.run.methods}
        pending = [name for name in methods if name not in scored]
        advance = self.progress("scores", len(pending))
        for name in pending:
            measured = self._measure(self.run.images[name], scoring, pair)
            found = estimates(measured, scoring.reference, scoring.extractor, cloud=scoring.cloud)
            rows = image_rows(methods[name], pair, hidden, self.run.images[name], measured)
            self.run.add_scores(name, rows, found, _names(scoring.extractor))
            advance(1)
        metrics = self.run.metrics["methods"]
        table = [method_row(m, pair, hidden) | score_columns(metrics[m.name]) for m in self.run.methods]
        real = self._reference_row(scoring)
        frame = pd.DataFrame([*real, *table])
        self.run.finish(frame[list(table[0])])

    def _measure(self, images: StoredImages, scoring: _Scoring, pair: Pair) -> Measurements:
        size, jpeg = scoring.dataset.size, getattr(scoring.dataset, "jpeg", None)
        compared = self._compared()
        nearest = (
            (scored_as(batch, size, jpeg) for batch in compared.batches(BATCH)) if compared is not None else iter(())
        )
        batches = (scored_as(batch, size, jpeg) for batch in images.batches(BATCH))
        return measure(scoring.extractor, batches, self.run.samples, nearest)

    def _compared(self) -> StoredImages | None:
        """The large model's images from the same noise."""
        own = [method.name for method in self.run.methods if is_cloud_only(method, self.config)]
        if own or self.cloud_only is None:
            return self.run.images[own[0]] if own else None
        images, samples = self.cloud_only
        place_of = {sample.seed: place for place, sample in enumerate(samples)}
        places = [place_of[sample.seed] for sample in self.run.samples if sample.seed in place_of]
        return images.at(places) if len(places) == len(self.run.samples) else None

    def _reference_row(self, scoring: _Scoring) -> list[dict[str, Any]]:
        """The scores of the real images: the ceiling of every score but the distances, which are to these images."""
        shown = getattr(scoring.dataset, "reference_samples", None)
        if shown is None:
            return []
        measured = measure(scoring.extractor, scoring.dataset.references(self.config.seed), shown(), iter(()))
        found = estimates(measured, torch.empty(0, 0), scoring.extractor)
        return [
            {"method": getattr(scoring.dataset, "reference_label", "real images")}
            | score_columns({name: vars(estimate) for name, estimate in found.items()})
        ]


def _check_enough(hidden: Hidden) -> None:
    if len(hidden.samples) >= 2:
        return
    if hidden.left_out:
        prompt, why = next(iter(hidden.left_out.items()))
        raise UserError(f'FID needs at least two images, and no candidates can be built for "{prompt}": {why}')
    raise UserError("FID needs at least two images; raise dataset.limit")


def _names(extractor: FeatureExtractor) -> dict[str, str]:
    return {"features": extractor.features_by, "clip": extractor.clip_by, "attributes": extractor.attributes_by}


PATIENCE = timedelta(days=7)  # how long processes wait for the slowest one


def processes() -> PartialState:
    """Which of the launched processes this is."""
    return PartialState(timeout=PATIENCE)


def is_first() -> bool:
    """Whether this process scores and prints."""
    first: bool = processes().is_main_process
    return first
