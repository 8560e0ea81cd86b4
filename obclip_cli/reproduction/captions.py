"""The caption of every table: title and note of the experiment, and the facts of its run."""

from pathlib import Path

from obclip_cli import runs
from obclip_cli.config import Config


def caption_of(config: Config, run: Path | list[Path], *facts: str) -> str:
    """One paragraph.

    Args:
        run: the folder that the figures come from, or several.
        facts: sentences that the experiment adds; empty ones are left out.
    """
    experiment = config.experiment or {}
    folders = [run] if isinstance(run, Path) else run
    where = (
        f"Pair {config.pair.name}, dataset {config.dataset.get('name', 'none')}, {config.hybrid.steps} steps, "
        f"seed {config.seed}; {measured_on(folders[0])}."
    )
    made = f"Run{'s' if len(folders) > 1 else ''}: {', '.join(f'runs/{folder.name}' for folder in folders)}."
    words = [f"{experiment['title']}.", experiment.get("note", ""), *facts, where, made]
    return " ".join(filter(None, (" ".join(word.split()) for word in words)))


def measured_on(run: Path) -> str:
    """The processor or accelerator that a run was made on, with its threads."""
    where = runs.read_json(run / "environment.json")
    return where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
