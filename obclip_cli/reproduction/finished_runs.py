"""Where a table's run lies, whether it is scored, and where it was made."""

from pathlib import Path

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.store import run_name


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


def measured_on(run: Path) -> str:
    """The processor or accelerator that a run was made on, with its threads."""
    where = runs.read_json(run / "environment.json")
    return where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
