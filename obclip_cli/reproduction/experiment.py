"""Experiments: found by name, and what belongs to them beside their methods (evaluation/blocks.py).

configs/experiment/NAME.yaml   title, dataset and sizes, methods, the paper's table beside them, claims, note
experiments/NAME.py            what YAML cannot say: any of `run`, `claims` and `planned`; several experiments may share
                               a file, which their `function` names
"""

import importlib
import re
from types import ModuleType

from obclip_cli.config import Config
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import (
    CACHE,
    REUSE,
    Block,
    Row,
    blocks_of,
    changed,
    for_pair,
    methods_of,
    paper_cache,
    rows_of,
    settings_of,
    switch_points,
)
from obclip_cli.resources import data_folder, package_folder

__all__ = [
    "CACHE",
    "REUSE",
    "Block",
    "Row",
    "blocks_of",
    "changed",
    "for_pair",
    "methods_of",
    "paper_cache",
    "rows_of",
    "settings_of",
    "switch_points",
]


def what_is_missing(config: Config) -> str:
    """Why scores cannot be computed locally; empty where they can."""
    try:
        pairs.require(config.pair)
        load_dataset(config.dataset)
    except UserError as error:
        return str(error)
    return ""


def experiment_names() -> list[str]:
    """All experiments: tables, then figures, then ours, each by number."""
    return sorted((path.stem for path in (data_folder("configs") / "experiment").glob("*.yaml")), key=_reading_order)


def _reading_order(name: str) -> tuple[int, list[str | int]]:
    kind = next((place for place, start in enumerate(("table", "figure")) if name.startswith(start)), 2)
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def module_of(config: Config) -> ModuleType | None:
    """The file of experiments/ that `function` names, else NAME.py, from wherever it is installed; None without one."""
    name = settings_of(config).get("function", settings_of(config)["name"])
    if not (data_folder("experiments") / f"{name}.py").exists():
        return None
    inside = (package_folder() / "experiments").is_dir()
    return importlib.import_module(f"{'obclip_cli.' if inside else ''}experiments.{name}")
