"""Experiments: found by name, and what belongs to them beside their methods (evaluation/blocks.py).

configs/experiment/NAME.yaml   title, dataset and sizes, methods, the paper's table beside them, claims, note
experiments/NAME.py            what YAML cannot say: `run`, `claims` or both; several experiments may share a file,
                               which their `function` names
"""

import importlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import yaml

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.data import check_settings, load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.report.tables import write_table
from obclip_cli.resources import data_folder, package_folder


def what_is_missing(config: Config) -> str:
    """Why scores cannot be computed locally; empty where they can.

    Raises:
        UserError: the dataset has no such setting, which no download puts right.
    """
    check_settings(config.dataset)
    try:
        pairs.require(config.pair)
        load_dataset(config.dataset)
    except UserError as error:
        return str(error)
    return ""


def experiment_names() -> list[str]:
    """All experiments: tables, then figures, then ours, each by number."""

    def reading_order(name: str) -> tuple[bool, bool, int, str]:
        number = re.search(r"\d+", name)
        return not name.startswith("table"), not name.startswith("figure"), int(number[0]) if number else 0, name

    return sorted((path.stem for path in (data_folder("configs") / "experiment").glob("*.yaml")), key=reading_order)


def standing_names(results: Path | None = None, pair: str = "mini") -> list[str]:
    """Those that `obclip reproduce` runs without a name.

    The others take long (`by_name`) or another command makes them (`made_by`); they are read where their run with these
    weights is there.

    Args:
        results: where `runs/` is.
    """
    folder = data_folder("configs") / "experiment"
    found = []
    for name in experiment_names():
        said = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))["experiment"]
        made = sorted((results / "runs").glob(f"{name}-*")) if results is not None else []
        if made and results is not None and ("made_by" in said or said.get("by_name")):
            config = compose_config([f"experiment={name}", f"pair={pair}"])
            own = run_folder(config, results)
            made = [run for run in made if (run == own if "made_by" in said else runs.is_finished(run, config))]
        if made or not ("made_by" in said or said.get("by_name")):
            found.append(name)
    return found


def take_over(results: Path, folder: Path, names: Iterable[str]) -> None:
    """Copy the runs of experiments that are read and not made, so that a quick look's page holds them too."""
    for name in names:
        for run in (results / "runs").glob(f"{name}-*"):
            if not (there := folder / "runs" / run.name).exists():
                shutil.copytree(run, there, ignore=shutil.ignore_patterns("images"))


def module_of(config: Config) -> ModuleType | None:
    """The file of experiments/ that `function` names, else NAME.py, from wherever it is installed; None without one."""
    name = settings_of(config).get("function", settings_of(config)["name"])
    if not (data_folder("experiments") / f"{name}.py").exists():
        return None
    inside = (package_folder() / "experiments").is_dir()
    return importlib.import_module(f"{'obclip_cli.' if inside else ''}experiments.{name}")


def run_folder(config: Config, folder: Path, *parts: Any) -> Path:
    """Where an experiment that scores no methods keeps its run.

    Args:
        folder: where `runs/` is.
        parts: of the experiment, beside the configuration; another value is another run.
    """
    return folder / "runs" / f"{settings_of(config)['name']}-{config.pair.name}-{runs.run_digest(config, *parts)}"


def measured_on(run: Path) -> str:
    """The processor or accelerator that a run was made on, with its threads."""
    where = runs.read_json(run / "environment.json")
    return where["accelerator"] or f"{where['processor']}, {where['threads']} threads"


def caption_of(config: Config, run: Path | list[Path], *facts: str) -> str:
    """One paragraph: title and note of the experiment, and the facts of its run.

    Args:
        run: the folder that the figures come from, or several.
        facts: sentences that the experiment adds; empty ones are left out.
    """
    experiment = settings_of(config)
    folders = [run] if isinstance(run, Path) else run
    where = (
        f"Pair {config.pair.name}, dataset {config.dataset.get('name', 'none')}, {config.hybrid.steps} steps, "
        f"{config.size} size, seed {config.seed}; {measured_on(folders[0])}."
    )
    made = f"Run{'s' if len(folders) > 1 else ''}: {', '.join(f'runs/{folder.name}' for folder in folders)}."
    words = [f"{experiment['title']}.", experiment.get("note", ""), *facts, where, made]
    return " ".join(filter(None, (" ".join(word.split()) for word in words)))


def write_results(
    config: Config,
    folder: Path,
    table: pd.DataFrame,
    run: Path | list[Path],
    *facts: str,
    whole: pd.DataFrame | None = None,
) -> str:
    """Write the experiment's table, `NAME.csv`, `.md` and `.tex`, under the caption of its run; return the caption."""
    caption = caption_of(config, run, *facts)
    write_table(table, folder / settings_of(config)["name"], caption=caption, whole=whole)
    return caption
