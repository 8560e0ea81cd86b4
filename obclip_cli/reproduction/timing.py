"""Seconds of several stretches of denoising, timed in turn, so that what slows a machine down slows all of them."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from diffusers import DiffusionPipeline

from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config
from obclip_cli.cost.latency import cloud_part, real_weights, timed
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.intervals import Estimate, of_mean
from obclip_cli.report.progress import ProgressBar


@dataclass(frozen=True)
class Part:
    """What one side runs.

    Attributes:
        side: cloud or device.
        n: prompts at once; with guidance each has two rows.
    """

    name: str
    side: str
    stretch: Stretch
    n: int
    cache: CacheConfig = field(default_factory=lambda: NO_ACCELERATION)

    @classmethod
    def of(cls, config: Config, method: Method, side: str, n: int) -> "Part":
        """A method's part on one side, under the method's name."""
        divided = split(config.pair, method.hybrid(config.hybrid.steps))
        if side == "cloud":
            return cls(method.name, side, divided.cloud, n, method.cache)
        return cls(method.name, side, divided.device, n)


def seconds_of(config: Config, parts: list[Part], rounds: int, progress: ProgressBar) -> pd.DataFrame:
    """One row a part and round: `part`, `n`, `round`, `seconds`; one step of each part warms up.

    Denoising and text encoding are timed, decoding is not. The device begins at noise where the scheme has the cloud's
    latent: the work is the same.
    """
    pipelines = {side: real_weights(config.pair, getattr(config.pair, side)) for side in {part.side for part in parts}}
    advance = progress("latency", len(parts) * (rounds + 1))
    for part in parts:
        first = min(part.stretch.start + 1, part.stretch.stop)
        _timed(config, pipelines[part.side], replace(part, stretch=replace(part.stretch, stop=first, positions=None)))
        advance(1)
    found = []
    for place in range(rounds):
        for part in parts:
            seconds = _timed(config, pipelines[part.side], part)
            found.append({"part": part.name, "n": part.n, "round": place, "seconds": float(f"{seconds:.4g}")})
            advance(1)
    return pd.DataFrame(found)


def _timed(config: Config, pipeline: DiffusionPipeline, part: Part) -> float:
    stretch = part.stretch
    if stretch.start == stretch.stop:  # the other side runs all steps
        return 0.0
    return timed(cloud_part(config, pipeline, stretch, part.n, part.cache))


def spread(times: pd.DataFrame) -> pd.DataFrame:
    """Median, least and most seconds over the rounds, by part and n."""
    found = times.groupby(["part", "n"], sort=False)["seconds"].agg(["median", "min", "max"]).reset_index()
    return found.rename(columns={"median": "seconds", "min": "seconds_low", "max": "seconds_high"})


def ratio(times: pd.DataFrame, part: str, to: str) -> Estimate:
    """How many times as long a part takes as another: the mean over rounds, with its interval."""
    seconds = {name: found.set_index("round")["seconds"] for name, found in times.groupby("part")}
    return of_mean((seconds[part] / seconds[to]).to_numpy(dtype=float), np.random.default_rng(0))
