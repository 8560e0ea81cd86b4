"""Score methods on a dataset: from a configuration to a run folder with images' scores, table and plots."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.config import Config, plain, taxonomy_path
from obclip_cli.data import Sample, load_dataset
from obclip_cli.data.emoji import Emoji
from obclip_cli.errors import UserError
from obclip_cli.evaluation import Method, Pair, features_of, generate_images, score, step_rows
from obclip_cli.metrics.judge import Judge
from obclip_cli.prompts.candidates import build_candidates, check_prompt
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.scheme import load_pipelines

ProgressBar = Callable[[str, int], Callable[[int], None]]


def baselines_and_obclip(config: Config, switch_points: tuple[int, ...] = (5, 10)) -> list[Method]:
    """The rows of the paper's Table 3: both ends, Hybrid SD, ObCLIP, and ObCLIP with the configured caches at k."""
    hybrid, cache = config.hybrid, config.cache
    longest = config.pair.cloud.steps or hybrid.steps
    ours = Method("ObCLIP", "server_first", 0, True, handover=hybrid.handover, timestep_shift=hybrid.timestep_shift)
    hidden = [replace(ours, name=f"ObCLIP, k={k}", switch_point=k) for k in switch_points if k <= longest]
    methods = [
        Method("cloud-only", "server_first", longest),
        Method("device-only", "server_first", 0),
        *[replace(method, name=method.name.replace("ObCLIP", "Hybrid SD"), hidden=False) for method in hidden],
        *hidden,
    ]
    if (cache.reuse, cache.cache_point, cache.skip_point) != (None, None, None):
        name = f"ObCLIP, k={hybrid.switch_point}, {'cache' if cache.name == 'none' else cache.name}"
        methods.append(replace(ours, name=name, switch_point=hybrid.switch_point, cache=cache))
    return methods


def load_judge(config: Config) -> Judge:
    """The pair's judge.

    Raises:
        UserError: the pair names none, or it cannot be read.
    """
    if config.pair.judge is None:
        raise UserError(f"pair {config.pair.name} names no judge; set pair.judge to an OpenCLIP folder")
    return Judge(config.pair.judge)


def load_pair(config: Config) -> Pair:
    """Both models of the configured pair."""
    cloud, device = load_pipelines(config.pair)
    return Pair(cloud, device, config.pair, config.hybrid.steps, config.rows_at_once)


def run_benchmark(
    config: Config, methods: list[Method], folder: Path, progress: ProgressBar
) -> tuple[pd.DataFrame, dict[str, torch.Tensor], list[Sample]]:
    """Generate and score; write `config.yaml`, `environment.json` and `scores.csv` into `folder`.

    Returns:
        one row a method (and one of the real references, where their labels are known); the images; the samples.
    """
    dataset = load_dataset(config.dataset)
    judge = load_judge(config)
    samples = dataset.samples(config.seed)
    for sample in samples:
        check_prompt(sample.prompt)
    if len(samples) < 2:
        raise UserError("FID needs at least two images; raise dataset.limit")
    reference = torch.cat([judge(batch) for batch in dataset.references()])
    if len(reference) < 2:
        raise UserError(f"FID needs at least two reference images, dataset {dataset.name} has {len(reference)}")
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    sets = [build_candidates(s.prompt, taxonomy, max_candidates=config.privacy.max_candidates) for s in samples]
    pair = load_pair(config)
    advance = progress("images", step_rows(pair, methods, samples, sets))
    images = generate_images(pair, samples, methods, sets, advance)
    prompts, labels = [s.prompt for s in samples], [s.labels for s in samples]
    rows = [_reference_row(dataset, judge, reference)] if isinstance(dataset, Emoji) else []
    for method in methods:
        scores = score(judge, features_of(judge, images[method.name]), prompts, labels, reference)
        rows.append(_describe(method, pair, [len(found.prompts) for found in sets]) | scores)
    table = pd.DataFrame(rows)[list(rows[-1])]
    runs.start(folder, config)
    runs.write_text(folder / "scores.csv", table.to_csv(index=False))
    return table, images, samples


def _describe(method: Method, pair: Pair, counts: list[int]) -> dict[str, Any]:
    """A method's name, settings and mean cost, over the candidate counts of the prompts."""
    costs = [pair.macs(method, n) for n in counts]
    return {
        "method": method.name,
        "order": method.order,
        "k": method.switch_point,
        "cache": method.cache.name,
        "n": round(mean(counts), 2) if method.hidden else 1,
        "cloud_gmacs": round(mean(cloud for cloud, _ in costs) / 1e9, 2),
        "device_gmacs": round(costs[0][1] / 1e9, 2),
    }


def _reference_row(dataset: Emoji, judge: Judge, reference: torch.Tensor) -> dict[str, Any]:
    """What the judge says of the real held-out art: the ceiling of every score. It has no FID to itself."""
    captions = list(dataset.table["caption"])
    row = {"method": "real held-out art"} | score(judge, reference, captions, dataset.reference_labels(), reference)
    return row | {"fid": math.nan}


def run_name(config: Config, methods: list[Method]) -> str:
    """A folder name that says what was run: dataset, pair and a hash of everything else."""
    names = [method.name for method in methods]
    return f"{config.dataset.get('name', 'dataset')}-{config.pair.name}-{runs.fingerprint(plain(config), names)}"
