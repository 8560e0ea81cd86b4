"""Which of two methods is faster in the cloud: timed in turn, so that a busy machine slows both."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.benchmark import ProgressBar
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config
from obclip_cli.cost.latency import PROMPT, real_weights, repeated, synchronise
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation import Method
from obclip_cli.metrics.intervals import Estimate, of_mean
from obclip_cli.protocol import CloudRequest
from obclip_cli.run_folder import read_table

REPEATS = 12


def time_in_turn(config: Config, methods: list[Method], *, candidates: int, path: Path, progress: ProgressBar) -> None:
    """Write `path`: one row a repeat, one column of seconds a method, the cloud's part for a batch of N."""
    advance = progress("latency in turn", REPEATS)
    pipeline = real_weights(config.pair, config.pair.cloud)
    work = {}
    for method in methods:
        stretch = split(config.pair, method.hybrid(config.hybrid.steps)).cloud
        prompts = (PROMPT,) * (candidates if method.hidden else 1)
        request = CloudRequest(prompts, stretch.steps, stretch.start, stretch.stop, stretch.guidance_scale, config.seed)
        server = CloudServer(pipeline, batch=config.rows_at_once, cache=method.cache)
        work[method.name] = partial(server.denoise, request)
        repeated(work[method.name], 0)  # to warm up
    rows = []
    for _ in range(REPEATS):
        rows.append({name: _seconds(run) for name, run in work.items()})
        advance(1)
    runs.write_text(path, pd.DataFrame(rows).round(5).to_csv(index=False))


def _seconds(run: Callable[[], object]) -> float:
    synchronise()
    started = time.perf_counter()
    run()
    synchronise()
    return time.perf_counter() - started


def ratio(path: Path, method: str, to: str) -> Estimate:
    """How many times as long `method` takes: the mean over repeats, with its interval."""
    table = read_table(path)
    return of_mean((table[method] / table[to]).to_numpy(dtype=float), np.random.default_rng(0))
