"""Wall-clock time and peak memory of both sides on the present hardware (arXiv 2510.04153, Tables 2 and 7).

The paper's latency is the cloud's part for a batch of N; the device's part is measured beside it.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import CacheConfig, Config, ModelConfig, PairConfig
from obclip_cli.cost.profile import architecture_of
from obclip_cli.diffusion.denoise import Stretch, denoise
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.diffusion.random_weights import random_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.protocol import CloudRequest
from obclip_cli.runs import environment

# Any words do: every prompt is padded to the same length.
PROMPT = "a woman firefighter with dark skin"
KIB = 1024


Weights = Callable[[PairConfig, ModelConfig], DiffusionPipeline]


def measure_pair(config: Config, candidates: int, *, weights: Weights, repeats: int) -> dict[str, Any]:
    """Median and quartiles, in seconds, of the cloud's k steps for N candidates and the device's steps for one image.

    Each part runs once to warm up and then `repeats` times. Denoising and, with real weights, the text encoder are
    timed; decoding is not.

    Args:
        weights: `real_weights` or `random_weights`.
    """
    divided, rows = split(config.pair, config.hybrid), []
    if divided.cloud_steps:
        pipeline = weights(config.pair, config.pair.cloud)
        times = repeated(cloud_part(config, pipeline, divided.cloud, candidates, config.cache), repeats)
        rows.append({"side": "cloud", "steps": divided.cloud_steps, "rows": candidates} | summarised(times))
    if divided.device_steps:
        times = _device_times(config, divided.device, weights, repeats)
        rows.append({"side": "device", "steps": divided.device_steps, "rows": 1} | summarised(times))
    return {
        "weights": "random" if weights is random_weights else "real",
        "repeats": repeats,
        "rows": rows,
        "peak_memory_bytes": peak_memory(),
        "peak_memory_of": "accelerator" if torch.cuda.is_available() else "process",
        "environment": environment(),
    }


def cloud_part(
    config: Config, pipeline: DiffusionPipeline, stretch: Stretch, prompts: int, cache: CacheConfig
) -> Callable[[], object]:
    """What a server does for one request, to be timed: the steps of `stretch` for its prompts."""
    server = CloudServer(pipeline, batch=config.rows_at_once, cache=cache, compiles=config.cloud.compile)
    asked = stretch.steps, stretch.start, stretch.stop, stretch.guidance_scale, config.seed
    request = CloudRequest((PROMPT,) * prompts, *asked, positions=stretch.positions)
    return lambda: server.denoise(request)


def _device_times(config: Config, stretch: Stretch, weights: Weights, repeats: int) -> list[float]:
    """Starts from noise where the scheme would from the cloud's latent: the work is the same."""
    pipeline = weights(config.pair, config.pair.device)
    return repeated(lambda: denoise(pipeline, [PROMPT], stretch, seeds=[config.seed]), repeats)


def real_weights(pair: PairConfig, model: ModelConfig) -> DiffusionPipeline:
    """The model itself."""
    return load_pipeline(model, dtype=pair.dtype, device=default_device())


def random_weights(pair: PairConfig, model: ModelConfig) -> DiffusionPipeline:
    """The model's architecture with random weights and prompts, which takes as long."""
    return random_pipeline(architecture_of(model), scheduler=model.scheduler, dtype=pair.dtype, device=default_device())


def repeated(run: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of `repeats` runs, after one that does not count."""
    return [timed(run) for _ in range(repeats + 1)][1:]


def timed(run: Callable[[], object]) -> float:
    """Seconds of one run."""
    synchronise()
    started = time.perf_counter()
    run()
    synchronise()
    return time.perf_counter() - started


def synchronise() -> None:
    """Wait until the accelerator has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def summarised(times: list[float]) -> dict[str, float]:
    """Median and quartiles, in seconds; of fewer than two runs all are the same."""
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return {"median_seconds": middle, "lower_quartile_seconds": low, "upper_quartile_seconds": high}


def peak_memory() -> int:
    """Most bytes held so far: allocated on the accelerator, else resident in this process; weights included."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KIB
