"""Where a table's run lies, and what its scores say about more than two methods at once."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.evaluation import Method
from obclip_cli.metrics.intervals import Estimate, of_spread
from obclip_cli.run_folder import run_name


def run_of(config: Config, methods: list[Method], folder: Path, *, name: str) -> Path:
    """The folder of a measured table.

    Args:
        folder: where `runs/` is.
        name: what the run folder's name begins with.
    """
    return folder / "runs" / f"{name}-{run_name(config, methods)}"


def is_scored(run: Path) -> bool:
    """Whether a run's scores were written."""
    return (run / "scores.csv").exists()


def fid_contrast(run: Path, weights: Mapping[str, float]) -> Estimate:
    """A weighted sum of the methods' FIDs; all methods have the same prompts and noise and are resampled alike.

    Args:
        run: a finished run folder.
        weights: method -> its weight.
    """
    found = runs.read_json(run / "metrics.json")["methods"]
    value = sum(weight * found[method]["fid"]["value"] for method, weight in weights.items())
    draws = np.sum([weight * np.array(found[method]["fid"]["draws"]) for method, weight in weights.items()], axis=0)
    return of_spread(value, float(draws.std(ddof=1)))


def measured_on(run: Path) -> str:
    """The processor or accelerator that a run was made on, with its threads."""
    where = runs.read_json(run / "environment.json")
    return where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
