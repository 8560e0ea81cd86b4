"""What a pair needs before its experiments run: downloads, memory, and hours estimated from a measured step."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from obclip_cli.cloud.accelerate import accelerations
from obclip_cli.config import NO_ACCELERATION, Config
from obclip_cli.cost.latency import cloud_part, peak_memory, random_weights, repeated
from obclip_cli.cost.macs import run_macs, steps_macs
from obclip_cli.cost.profile import architecture_of
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.architectures import parameters_of
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.generate import shares_maps_only
from obclip_cli.evaluation.methods import Method

EXAMINERS = "Inception-v3 (0.1 GB) and OpenCLIP ViT-g/14 (5.5 GB), which score the images, unless they are here already"
MEASURED_STEPS = 1


class Planned(NamedTuple):
    """A run: a configuration, and the methods that make images of all its prompts."""

    config: Config
    methods: list[Method]


def planned_of(config: Config) -> list[Planned]:
    """What takes an experiment's time: the images of the methods that it compares."""
    scored = config.experiment is not None and "methods" in config.experiment
    return [Planned(block.config, block.methods) for block in blocks_of(config)] if scored else []


@dataclass(frozen=True)
class Measured:
    """One step of the cloud's model with random weights.

    Attributes:
        rate: multiply-accumulates a second.
        memory: peak bytes, or None without an accelerator to measure them on.
    """

    seconds: float
    rate: float
    memory: int | None


def downloads(configs: Iterable[Config]) -> list[str]:
    """Models and data that are missing locally, each once."""
    found: dict[str, None] = {}
    for config in configs:
        for side in pairs.sides(config.pair):
            for copy in side.lacking:
                size = f"{side.model.disk_gb} GB" if side.model.disk_gb else "of unknown size"
                found[f"{copy.source} ({side.name}'s model, {size}; {side.model.licence or 'licence unknown'})"] = None
        try:
            load_dataset(config.dataset)
        except UserError as error:
            found[f"the dataset {config.dataset['name']}: {error}"] = None
        if config.pair.judge is None:
            found[EXAMINERS] = None
    return list(found)


def measure_step(config: Config) -> Measured:
    """Time one guided step of the cloud's architecture on this machine: a full batch on an accelerator, else one image.

    Random weights take as long as real ones.
    """
    accelerated = torch.cuda.is_available()
    pair = config.pair if accelerated else replace(config.pair, dtype="float32")  # a CPU is slow in float16
    model = architecture_of(pair.cloud)
    stretch = split(pair, replace(config.hybrid, switch_point=MEASURED_STEPS, timestep_shift=0)).cloud
    guided = is_guided(model.unet, stretch.guidance_scale)
    images = max(1, config.rows_at_once // (2 if guided else 1)) if accelerated else 1
    part = cloud_part(config, random_weights(pair, pair.cloud), stretch, images, NO_ACCELERATION)
    (seconds,) = repeated(part, 1)
    counted = steps_macs(model.unet, model.text_tokens, candidates=images, guided=guided, steps=MEASURED_STEPS)
    return Measured(seconds, sum(step.total for step in counted) / seconds, peak_memory() if accelerated else None)


def macs_to_run(planned: Planned) -> int:
    """An upper limit of the multiply-accumulates of a run: steps that methods share are counted for each.

    Scores need only the candidate that is kept, unless its rows depend on the others', or on a pivot's.
    """
    config = planned.config
    models = architecture_of(config.pair.cloud), architecture_of(config.pair.device)
    per_prompt = 0
    for method in planned.methods:
        divided = split(config.pair, method.hybrid(config.hybrid.steps))
        whole = method.hidden and any(part.mixes_rows for part in accelerations(method.cache))
        candidates = 1 if not whole else 2 if shares_maps_only(method.cache) else most_candidates(config)
        sides = run_macs(*models, divided, cache=method.cache, candidates=candidates, batch=config.rows_at_once)
        per_prompt += sum(step.total for side in sides for step in side)
    return per_prompt * prompts_of(config)


def prompts_of(config: Config) -> int:
    """How many prompts a run has: its limit, or all that the dataset has; 0 where that is not known yet."""
    if config.dataset.get("limit") is not None:
        return int(config.dataset["limit"])
    try:
        return len(load_dataset(config.dataset).samples(config.seed))
    except UserError:  # among the downloads
        return 0


def most_candidates(config: Config) -> int:
    """N of the dataset's prompts where it says so, else the largest that is allowed."""
    try:
        assignments = getattr(load_dataset(config.dataset), "assignments", None)
    except UserError:
        assignments = None
    return len(assignments) if assignments else config.privacy.max_candidates


def in_words(configs: list[Config], planned: list[Planned]) -> str:
    """Required downloads and memory, and the expected time, a line each."""
    wanted = downloads(configs) or ["nothing: models and data are here"]
    step = measure_step(configs[0])
    planned = [run for place, run in enumerate(planned) if run not in planned[:place]]  # tables share runs
    seconds = sum(macs_to_run(run) for run in planned) / step.rate
    images = sum(prompts_of(run.config) * len(run.methods) for run in planned)
    config, rows = configs[0], configs[0].rows_at_once
    size = torch.empty((), dtype=getattr(torch, config.pair.dtype)).element_size()
    weights = sum(parameters_of(architecture_of(side.model).unet) for side in pairs.sides(config.pair)) * size / 1e9
    memory = f"{weights:.1f} GB of UNet weights; {rows} rows at once (cloud.batch) are meant for 24 GB"
    if step.memory:
        memory = f"{step.memory / 1e9:.1f} GB at the most in a step of {rows} rows, measured here"
    where = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "this CPU"
    unknown = sorted({run.config.dataset["name"] for run in planned if not prompts_of(run.config)})
    more = f", and those of {', '.join(unknown)}, whose prompts are not known yet" if unknown else ""
    time = f"at most {seconds / 3600:,.1f} hours on {where} for {images:,} images{more}"
    lines = ["Downloads:", *(f"  {line}" for line in wanted), f"GPU memory: {memory}"]
    return "\n".join([*lines, f"Time: {time}, from a measured step of {step.seconds:.2f} s"])
