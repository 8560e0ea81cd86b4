"""What a picture on the device buys: likeness, FID and accuracy of roles against the device alone and the leaking way.

Ours, not the paper's, which names image-to-image as future work. What decides the claims: at equal likeness the whole
interval of the default's FID lies below that of the device alone, and that of its accuracy of roles above, where fewer
than five points do not count.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.data import Sample, load_dataset
from obclip_cli.data.pictures import scored_as
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.denoise import State, decode, denoise, initial_noise
from obclip_cli.diffusion.image_to_image import Blend, encode, noised, places_of
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import Pair, load_pair
from obclip_cli.metrics.features import Features
from obclip_cli.metrics.fid import fid_estimate
from obclip_cli.metrics.intervals import UNKNOWN, Estimate, of_mean, of_share, of_spread
from obclip_cli.report.plots import plot_lines
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, Claim, above, below, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.power import Counts
from obclip_cli.reproduction.score_table import interval_columns
from obclip_cli.runs import read_table

WORDS, ALONE, LEAKS, OURS = (
    "ObCLIP, no picture",
    "device alone (SDEdit)",
    "cloud is sent the picture",
    "ObCLIP, picture",
)
ROLE, CELLS, BATCH, LATER = "role", 8, 50, 1 << 20
POINTS = 0.05  # fewer do not count
SOURCE = ("our own question; the paper names image-to-image as future work", "no figures to quote")
BETTER = {
    "fid": "At equal likeness, ObCLIP with a picture that stays on the device has a lower FID than the device alone.",
    ROLE: "At equal likeness, it draws the role that was asked for more often than the device alone.",
}


@dataclass(frozen=True)
class Way:
    """One row of the table; `strength` and `cells` are null where the way has none."""

    name: str
    strength: float | None = None
    cells: int | None = None


def ways_of(config: Config) -> list[Way]:
    """What is compared; blends that this k leaves no step for are left out."""
    experiment, divided = settings_of(config), split(config.pair, config.hybrid)
    begin, steps = divided.device.start, divided.device.steps
    blends = [Way(OURS, b["strength"] or round(1 - begin / steps, 4), b["cells"]) for b in experiment["blends"]]
    leaking = [Way(LEAKS, s) for s in experiment["leaking"] if places_of(s, steps) < begin]
    alone = [Way(ALONE, strength) for strength in experiment["strengths"]]
    return [Way(WORDS), *alone, *leaking, *(b for b in blends if places_of(b.strength or 1, steps) >= begin)]


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other pictures or ways are another run."""
    return run_folder(config, folder, settings_of(config)["plays"]["images"], [vars(way) for way in ways_of(config)])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `image_to_image.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing, or it is not known what its pictures show.
    """
    pairs.require(config.pair)
    run = run_of(config, folder)
    if not runs.is_finished(run, config):
        _measure(config, run, progress)
    found, table = Run.read(run), []
    for place in range(len(found.ways)):
        row: dict[str, Any] = {**found.ways[place], "likeness": round(found.likeness(place), 3)}
        row |= interval_columns("fid", found.fid(place))
        for name in found.attributes:
            row |= interval_columns(name, of_share(found.column(place, name)))
        for name in ("fid", ROLE) if row["way"] == OURS else ():
            row |= interval_columns(f"{name}_against", found.against(place, name))
        table.append(row)
    verdict = found.verdict()
    caption = write_results(
        config, folder, pd.DataFrame(table), run, f"{len(found.column(0, 'place'))} pictures.", verdict
    )
    stored = pd.read_csv(folder / "image_to_image.csv")
    columns = {"fid": "FID ↓", ROLE: "role right ↑"}
    columns = {name: label for name, label in columns.items() if name in stored}
    over, title = ("likeness", "likeness, PSNR at 8x8 (dB)"), settings_of(config)["title"]
    plot_lines(stored, folder / "image_to_image.png", over=over, columns=columns, title=title)
    return caption


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, of the default of `obclip generate`."""
    if not runs.is_finished(run_of(config, folder), config):
        return [Claim(text, *SOURCE, "not run", untested("no image was made")) for text in BETTER.values()]
    found = Run.read(run_of(config, folder))
    return [found.claim(name) for name in BETTER]


@dataclass(frozen=True)
class Run:
    """What a run holds: one row a way and picture, and the FID of every way with its resamples."""

    ways: list[dict[str, Any]]
    table: pd.DataFrame
    fids: list[Estimate]

    @classmethod
    def read(cls, run: Path) -> "Run":
        """The run in a folder."""
        stored = runs.read_json(run / "fids.json")
        fids = [Estimate(**each["fid"] | {"draws": tuple(each["fid"]["draws"])}) for each in stored]
        return cls([each["way"] for each in stored], read_table(run / "readings.csv"), fids)

    @property
    def attributes(self) -> list[str]:
        """What the judge reads, role first."""
        names = [name for name in self.table if name not in ("row", "place", "likeness")]
        return sorted(map(str, names), key=lambda name: name != ROLE)

    def column(self, place: int, name: str) -> np.ndarray:
        """One value a picture, (n,)."""
        return self.table.loc[self.table["row"] == place, name].to_numpy(dtype=float)

    def likeness(self, place: int) -> float:
        """The mean, in dB."""
        return float(self.column(place, "likeness").mean())

    def fid(self, place: int) -> Estimate:
        """With its interval."""
        return self.fids[place]

    def against(self, place: int, name: str) -> Estimate:
        """A score less that of the device alone at the same likeness; unknown beyond its strengths."""
        own = self.likeness(place)
        others = sorted((self.likeness(p), p) for p, way in enumerate(self.ways) if way["way"] == ALONE)
        for (low, left), (high, right) in pairwise(others):
            if low <= own <= high and (name == "fid" or name in self.table):
                share = (own - low) / (high - low)
                weights = {place: 1.0, left: share - 1, right: -share}
                return self._of_fids(weights) if name == "fid" else self._of_pictures(weights, name)
        return UNKNOWN

    def _of_fids(self, weights: dict[int, float]) -> Estimate:
        draws = sum(weight * np.array(self.fids[place].draws) for place, weight in weights.items())
        return of_spread(sum(w * self.fids[p].value for p, w in weights.items()), float(np.std(draws, ddof=1)))

    def _of_pictures(self, weights: dict[int, float], name: str) -> Estimate:
        each = sum(weight * self.column(place, name) for place, weight in weights.items())
        return of_mean(np.asarray(each), np.random.default_rng(0))

    def claim(self, name: str) -> Claim:
        """Whether the default is better than the device alone."""
        default = next((place for place, way in enumerate(self.ways) if way["way"] == OURS), None)
        found = UNKNOWN if default is None else self.against(default, name)
        if np.isnan(found.value):
            why = "no blend, no role or no device alone of the same likeness"
            return Claim(BETTER[name], *SOURCE, "", untested(why))
        what = f"{'FID' if name == 'fid' else 'share of right roles'} less the device's at equal likeness,"
        pictures = self.table["place"].nunique()
        if name == "fid":
            verdict = below(found, 0.0, what, pictures)
        else:
            verdict = above(found, 0.0, what, pictures, Counts.by(-POINTS, found, "5 points"))
        return Claim(BETTER[name], *SOURCE, in_words(found), verdict)

    def verdict(self) -> str:
        """Whether the default is worth using, in one sentence."""
        held = {name: self.claim(name).verdict for name in BETTER}
        better = [verdict for verdict in held.values() if verdict.word == HOLDS]
        worse = [verdict for verdict in held.values() if verdict.word == DOES_NOT_HOLD]
        if better and worse:
            word = "A trade"
        elif better or worse:
            word = "Worth using" if better else "Not worth using"
        else:
            word = "Not worth using as far as these pictures tell: nothing sets it apart from the device alone"
        return f"{word} (default): {'; '.join(verdict.why for verdict in held.values())}."


def _measure(config: Config, run: Path, progress: ProgressBar) -> None:
    """Make and judge all images; writes `readings.csv` and `fids.json`."""
    dataset, judge = load_dataset(config.dataset), load_extractor(config)
    if not hasattr(dataset, "reference_samples"):
        raise UserError(
            "it is not known what the pictures of this dataset show; choose one that says it, as emoji does"
        )
    known, art = dataset.reference_samples(), torch.cat(list(dataset.references(config.seed)))
    drawn = np.random.default_rng(config.seed).permutation(len(known))[: settings_of(config)["plays"]["images"]]
    samples = [replace(known[place], seed=config.seed * LATER + number) for number, place in enumerate(drawn)]
    pair, ways = load_pair(config), ways_of(config)
    made, advance = _images(config, pair, samples, art[drawn], ways, progress), progress("judging", len(ways) + 1)
    real, rows, fids = _features(judge, art), [], []
    advance(1)
    for place, (way, images) in enumerate(zip(ways, made, strict=True)):
        features = _features(judge, images)
        found = fid_estimate(real.pooled, features.pooled, np.random.default_rng(config.seed))
        fids.append({"way": {"way": way.name, "strength": way.strength, "cells": way.cells}, "fid": vars(found)})
        table = pd.DataFrame({"row": place, "place": range(len(samples)), "likeness": likeness(images, art[drawn])})
        for name, logits in features.attribute_logits.items():
            read = [judge.labels[name][best] for best in logits.argmax(dim=1)]
            asked = [sample.labels.get(name) for sample in samples]
            if any(value in judge.labels[name] for value in asked):
                hits = [None if a is None else float(r == a) for r, a in zip(read, asked, strict=True)]
                table[name] = pd.Series(hits, dtype=float)
        rows.append(table)
        advance(1)
    runs.start(run, config)
    runs.write_text(run / "readings.csv", pd.concat(rows).to_csv(index=False))
    runs.write_text(run / "fids.json", json.dumps(fids))
    runs.mark_finished(run, config)


def _features(judge: Any, images: torch.Tensor) -> Features:
    return Features.together([judge.extract(part) for part in images.split(BATCH)])


def likeness(images: torch.Tensor, pictures: torch.Tensor) -> list[float]:
    """PSNR in dB of the means of 8x8 parts, one a picture; images and pictures are uint8 (n, 3, H, W)."""
    ours, theirs = (F.adaptive_avg_pool2d(each.float(), CELLS) for each in (images, pictures))
    psnr = peak_signal_noise_ratio(ours, theirs, data_range=255.0, dim=(1, 2, 3), reduction="none")
    return [round(value, 3) for value in psnr.tolist()]


def _images(
    config: Config, pair: Pair, samples: list[Sample], art: torch.Tensor, ways: list[Way], progress: ProgressBar
) -> list[torch.Tensor]:
    """uint8 images (n, 3, H, W) of every way, in the size of the art."""
    hidden, advance = grids.hidden_samples(config, samples), progress("images", len(ways) * len(samples))
    made: list[list[torch.Tensor]] = [[] for _ in ways]
    size = (pair.device.vae_scale_factor * latent_shape(pair.device)[-1],) * 2
    for first in range(0, len(samples), BATCH):
        rows = slice(first, first + BATCH)
        own = [c.prompts[c.index] for c in hidden.sets[rows]]
        pictures = F.interpolate(art[rows].float() / 255, size=size, mode="bicubic", antialias=True).clamp(0, 1)
        for place, latents in enumerate(_latents(config, pair, hidden.samples[rows], own, pictures, ways)):
            images = (decode(pair.device, latents) * 255).round().to(torch.uint8)
            made[place].append(scored_as(images, art.shape[-1]))
            advance(len(own))
    return [torch.cat(parts) for parts in made]


def _latents(
    config: Config, pair: Pair, samples: list[Sample], own: list[str], pictures: torch.Tensor, ways: list[Way]
) -> Iterator[torch.Tensor]:
    """Final latents (n, c, h, w) of every way. The cloud is asked for the rows that are kept."""
    divided, seeds, words = split(config.pair, config.hybrid), [s.seed for s in samples], [s.prompt for s in samples]
    first, then, steps = divided.cloud, divided.device, divided.device.steps
    clean = encode(pair.device, pictures)
    z_t, fresh = (
        torch.cat([initial_noise(pair.device, latent_shape(pair.device), seed + more) for seed in seeds])
        for more in (0, LATER // 2)
    )
    reached = denoise(pair.cloud, own, first, seeds=seeds)
    for way in ways:
        start, state, change, rest = places_of(way.strength or 1.0, steps), reached, None, then
        if way.name == OURS:
            change = Blend(pair.device, clean, z_t, start, steps, way.cells or CELLS)
        elif way.name != WORDS:
            state = State(noised(pair.device, clean, fresh, start, steps))
        if way.name == ALONE:
            rest = replace(then, start=start)
        elif way.name == LEAKS:
            state = denoise(pair.cloud, own, replace(first, start=start), seeds=seeds, state=state)
        state = State(state.latents)
        yield denoise(pair.device, words, rest, seeds=seeds, state=state, change=change).latents
