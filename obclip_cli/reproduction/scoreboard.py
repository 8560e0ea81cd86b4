"""The rows of the paper's tables: run and scored where weights and data are here, counted in any case."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config
from obclip_cli.cost.macs import run_macs
from obclip_cli.cost.profile import architecture_of
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.rounds import Part, seconds_of, spread
from obclip_cli.runs import read_table

CACHE, REUSE = "cache", "cache+reuse"
ACCELERATIONS = ("", CACHE, REUSE)
ROUNDS = 3
LATENCY = "latency.csv"


@dataclass(frozen=True)
class Row:
    """One row of a table under the paper's names, and the method that is run for it.

    Attributes:
        acceleration: "", cache or cache+reuse; without the shared first step, which is not the paper's.
    """

    method: str
    k: int | None
    acceleration: str
    run: Method


@dataclass(frozen=True)
class Board:
    """A measured table.

    Attributes:
        table: one row a `Row`; scores are missing where `missing` says why.
        run: the run folder.
        missing: what is not on this machine; empty where all was run.
    """

    table: pd.DataFrame
    run: Path
    missing: str


def baseline_rows(config: Config) -> list[Row]:
    """Both ends, and vanilla OG: the cloud runs every step for every candidate."""
    steps = config.pair.cloud.steps or config.hybrid.steps
    return [
        Row("cloud-only", None, "", Method("cloud-only", "server_first", steps)),
        Row("device-only", None, "", Method("device-only", "server_first", 0)),
        Row("vanilla OG", None, "", Method("vanilla OG", "server_first", steps, hidden=True)),
    ]


def hybrid_rows(config: Config, k: int, preset: str, accelerations: tuple[str, ...] = ACCELERATIONS) -> list[Row]:
    """Hybrid SD and ObCLIP with each of the accelerations, for one switch point.

    Args:
        preset: the file in configs/cache with the paper's r and s for this k.
    """
    shift = config.hybrid.timestep_shift
    base = Method("", "server_first", k, handover=config.hybrid.handover, timestep_shift=shift)
    rows = [Row("Hybrid SD", k, "", replace(base, name=f"Hybrid SD, k={k}"))]
    for acceleration in accelerations:
        name = ", ".join(filter(None, ["ObCLIP", f"k={k}", acceleration]))
        cache = paper_cache(preset, k, acceleration)
        rows.append(Row("ObCLIP", k, acceleration, replace(base, name=name, hidden=True, cache=cache)))
    return rows


def paper_cache(preset: str, k: int, acceleration: str) -> CacheConfig:
    """What the paper calls "", cache or cache+reuse."""
    if not acceleration:
        return NO_ACCELERATION
    whole = compose_config([f"cache={preset}", f"hybrid.switch_point={k}", "cache.shared_first_step=false"]).cache
    return whole if acceleration == REUSE else replace(whole, reuse=None)


def measure(
    config: Config, rows: list[Row], folder: Path, progress: ProgressBar, *, name: str, candidates: int
) -> Board:
    """Score, count and time the rows.

    Args:
        folder: where `runs/` is.
        name: what the run folder's name begins with.
        candidates: N that costs are counted and timed for.
    """
    methods = [row.run for row in rows]
    if missing := what_is_missing(config):
        run = folder / "runs" / f"{name}-costs-{config.pair.name}"
        runs.start(run, config)
        scores = pd.DataFrame({"method": [method.name for method in methods]})
    else:
        run = folder / "runs" / f"{name}-{run_name(config, methods)}"
        scores, _, _ = run_benchmark(config, methods, run, progress)
    named = pd.DataFrame(
        [{"method": r.method, "k": r.k, "acceleration": r.acceleration, "run": r.run.name} for r in rows]
    )
    counted = pd.DataFrame([costs(config, row.run, candidates) for row in rows])
    whole = costs(config, baseline_rows(config)[0].run, 1)["cloud_tmac"]
    counted.insert(1, "cloud_share", (counted["cloud_tmac"] / whole).round(4))
    counted[["cloud_tmac", "device_tmac"]] = counted[["cloud_tmac", "device_tmac"]].map(lambda t: float(f"{t:.4g}"))
    unwanted = ["order", "k", "cache", "n", "cloud_gmacs", "device_gmacs"]
    scores = scores.drop(columns=[column for column in unwanted if column in scores])
    table = pd.concat([named, counted], axis=1).merge(scores.rename(columns={"method": "run"}), on="run", how="left")
    table["k"] = table["k"].astype("Int64")
    if missing:
        return Board(table, run, missing)
    if not runs.is_finished(run, config):  # times of another machine are not ours
        runs.write_text(run / LATENCY, times(config, rows, candidates, progress).to_csv(index=False))
        runs.mark_finished(run, config)
    return Board(table.merge(read_table(run / LATENCY), on="run", how="left"), run, missing)


def what_is_missing(config: Config) -> str:
    """Why scores cannot be made here; empty where they can."""
    try:
        pairs.require(config.pair)
        load_dataset(config.dataset)
    except UserError as error:
        return str(error)
    return ""


def costs(config: Config, method: Method, candidates: int) -> dict[str, Any]:
    """T multiply-accumulates by the paper's convention: one attention product in the cloud, none on the device."""
    models = architecture_of(config.pair.cloud), architecture_of(config.pair.device)
    n = candidates if method.hidden else 1
    on_cloud, on_device = run_macs(
        *models,
        split(config.pair, method.hybrid(config.hybrid.steps)),
        cache=method.cache,
        candidates=n,
        batch=config.rows_at_once,
    )
    cloud, device = sum(step.paper_cloud for step in on_cloud), sum(step.paper_device for step in on_device)
    return {"cloud_tmac": cloud / 1e12, "device_tmac": device / 1e12, "n": n}


def times(config: Config, rows: list[Row], candidates: int, progress: ProgressBar) -> pd.DataFrame:
    """Median seconds of the cloud's part for a batch of N."""
    parts = []
    for row in rows:
        stretch = split(config.pair, row.run.hybrid(config.hybrid.steps)).cloud
        parts.append(Part(row.run.name, "cloud", stretch, candidates if row.run.hidden else 1, row.run.cache))
    found = spread(seconds_of(config, parts, ROUNDS, progress)).set_index("part")["seconds"]
    seconds = [float(f"{found[row.run.name]:.3g}") for row in rows]
    return pd.DataFrame({"run": [row.run.name for row in rows], "cloud_seconds": seconds})
