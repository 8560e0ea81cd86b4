"""How near accelerated images stay to the unaccelerated ones, and at what cost: ours and others' methods, part by part.

A part is one method at one k and one guidance scale. Its run folder holds

parts/PART.csv        one row a prompt: the relative distance of its latent after k steps to the unaccelerated one
images/PART/          the finished images
results.csv           one row a prompt and part: distance, SSIM to the unaccelerated image, what the judge sees
metrics.json          FID of the parts with many images, with its resamples
"""

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.data import load_dataset
from obclip_cli.diffusion.denoise import State
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import Batch, Pair, load_pair, samples_at_once
from obclip_cli.evaluation.hiding import Hidden
from obclip_cli.evaluation.images import StoredImages, slug
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.fid import fid_estimate
from obclip_cli.metrics.references import reference_features
from obclip_cli.metrics.scores import BATCH, measure
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import peers
from obclip_cli.reproduction.grids import hidden_samples
from obclip_cli.runs import read_table

UNCACHED, OWN = "uncached", "own"
BOTH = ("gender", "tone")
MANY = 100  # images from which on an FID says something


@dataclass(frozen=True)
class Part:
    """One method at one k and guidance scale.

    Attributes:
        method: who runs which steps; of a peer, the unaccelerated one.
        count, images: prompts whose latents are compared, and whose images are finished.
        peer, settings: another's work, and what it is told.
        family: what it is called in the plot.
        others: its prompts are other candidates of the dataset's, that the tables do not hold.
    """

    name: str
    guidance: float
    method: Method
    count: int
    images: int
    family: str
    peer: str = OWN
    settings: dict[str, int] = field(default_factory=dict)
    others: bool = False

    @property
    def k(self) -> int:
        """Steps of the schedule that are the cloud's."""
        return self.method.switch_point

    @property
    def stem(self) -> str:
        """Of its files."""
        return slug(f"{'others ' if self.others else ''}{self.name} k={self.k} g={self.guidance:g}")

    @property
    def reference(self) -> "Part":
        """The unaccelerated one that it is compared with."""
        shift = self.method.timestep_shift
        plain = Method(f"{UNCACHED}, k={self.k}", "server_first", self.k, hidden=True, timestep_shift=shift)
        return replace(self, name=UNCACHED, method=plain, peer=OWN, settings={}, family=UNCACHED)


@dataclass
class Bench:
    """The models and prompts that the parts of one process share."""

    config: Config
    run: Path

    @cached_property
    def pair(self) -> Pair:
        """Both models."""
        return load_pair(self.config)

    def at(self, guidance: float) -> Pair:
        """The pair at a guidance scale."""
        return replace(self.pair, config=replace(self.pair.config, guidance_scale=guidance))

    @cached_property
    def hidden(self) -> Hidden:
        """The table's prompts with their candidates."""
        return hidden_samples(self.config)

    @cached_property
    def others(self) -> Hidden:
        """For every prompt another of its candidates that is no prompt of the dataset: what presets are chosen on.

        The people that `mini` never saw are its dataset, so these are of combinations that it was trained on.
        """
        whole = load_dataset({**self.config.dataset, "limit": None}).samples(self.config.seed)
        known = {found.prompts[found.index] for found in hidden_samples(self.config, whole).sets}
        samples, sets = [], []
        for place, (sample, found) in enumerate(zip(self.hidden.samples, self.hidden.sets, strict=True)):
            free = [index for index, prompt in enumerate(found.prompts) if prompt not in known]
            if free:
                index = free[place % len(free)]
                samples.append(replace(sample, prompt=found.prompts[index], labels={}))
                sets.append(replace(found, index=index))
        return Hidden(samples, sets, {})

    def prompts(self, part: Part) -> Hidden:
        """Those of a part, as many as there are."""
        found = self.others if part.others else self.hidden
        return Hidden(found.samples[: part.count], found.sets[: part.count], {})

    def images(self, part: Part) -> StoredImages:
        """Where a part's images lie."""
        return StoredImages(self.run / "images" / part.stem, min(part.images, len(self.prompts(part).samples)))

    def make(self, part: Part) -> None:
        """Generate a part; what was finished before is kept."""
        target = self.run / "parts" / f"{part.stem}.csv"
        if target.exists() and self.images(part).are_complete:
            return
        hidden, pair, images = self.prompts(part), self.at(part.guidance), self.images(part)
        size, latents = samples_at_once(pair), []
        for start in range(0, len(hidden.samples), size):
            here = slice(start, start + size)
            batch = Batch(pair, hidden.samples[here], hidden.sets[here], lambda _: None)
            state = self._state(part, batch)
            latents.append(state.latents.float().cpu())
            shown = min(part.images - start, len(batch.samples))
            if shown > 0:
                some = Batch(pair, batch.samples[:shown], batch.sets[:shown], lambda _: None)
                for place, image in enumerate(some.finished(part.method, state.rows(slice(0, shown)))):
                    images.write(start + place, image)
        found, own = torch.cat(latents), self.run / "images" / f"{part.stem}.safetensors"
        if part.name == UNCACHED:
            runs.write_bytes(own, save({"latents": found}))
        plain = load_file(self.run / "images" / f"{part.reference.stem}.safetensors")["latents"][: len(found)]
        distance = (found - plain).flatten(1).norm(dim=1) / plain.flatten(1).norm(dim=1)
        table = pd.DataFrame({"seed": [sample.seed for sample in hidden.samples], "distance": distance.numpy()})
        runs.write_text(target, table.to_csv(index=False, float_format="%.6g"))

    def _state(self, part: Part, batch: Batch) -> State:
        if part.peer == OWN:
            return batch.handed_over(part.method)
        (way,) = batch.ways([part.method])
        seeds = [sample.seed for sample in batch.samples]
        return State(peers.states(part.peer, part.settings, batch.pair.cloud, way.words, way.stretch, seeds))


def judge(bench: Bench, parts: list[Part], progress: ProgressBar) -> None:
    """Score the images of all parts, and write `results.csv` and `metrics.json`."""
    config, run = bench.config, bench.run
    extractor, dataset = load_extractor(config), load_dataset(config.dataset)
    reference, advance = reference_features(dataset.references(config.seed), extractor), progress("scores", len(parts))
    tables, fids = [], {}
    for part in parts:
        images, plain = bench.images(part), bench.images(part.reference)
        samples = bench.prompts(part).samples[: len(images)]
        found = measure(extractor, images.batches(BATCH), samples, plain.batches(BATCH))
        table = read_table(run / "parts" / f"{part.stem}.csv")
        scores = pd.DataFrame(found.each).reindex(range(len(table)))
        asked = [attribute for attribute in BOTH if attribute in scores]
        scores["both"] = scores[asked].min(axis="columns", skipna=False) if asked else nan
        for attribute in asked:
            scores[f"{attribute}_asked"] = pd.Series([sample.labels.get(attribute) for sample in samples])
        table = table.assign(part=part.stem, name=part.name, k=part.k, guidance=part.guidance, others=part.others)
        tables.append(pd.concat([table, scores], axis="columns"))
        if len(images) >= MANY and len(reference):
            fids[part.stem] = vars(fid_estimate(reference, found.features.pooled, np.random.default_rng(0)))
        advance(1)
    runs.write_text(run / "results.csv", pd.concat(tables, ignore_index=True).to_csv(index=False, float_format="%.5g"))
    runs.write_text(run / "metrics.json", json.dumps(fids, indent=1) + "\n")
