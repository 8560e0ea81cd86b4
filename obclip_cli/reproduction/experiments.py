"""Finding and loading the files of experiments/."""

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from obclip_cli.config import Config
from obclip_cli.resources import data_folder

if TYPE_CHECKING:  # heavy, and not needed to list what there is
    from obclip_cli.report.progress import ProgressBar
    from obclip_cli.reproduction.claims import Claim
    from obclip_cli.reproduction.needs import Planned


class Experiment(Protocol):
    """What a file in experiments/ offers; `planned` and `claims` may be left out.

    Attributes:
        TITLE: what stands over its section of the page.
    """

    TITLE: str

    def overrides(self, pair: str) -> list[str]:
        """Hydra overrides for a pair: its dataset, and how much of it."""
        ...

    def planned(self, config: Config) -> "list[Planned]":
        """The runs whose images take the time; left out where they are few."""
        ...

    def run(self, config: Config, folder: Path, progress: "ProgressBar") -> str:
        """Write NAME.csv, .md, .tex, .png and the run folders behind them; return what they show."""
        ...

    def claims(self, config: Config, folder: Path) -> "list[Claim]":
        """What the paper says about it, held against the files that `run` wrote."""
        ...


def experiment_names() -> list[str]:
    """Every file in experiments/: tables, then figures, then ours, each by number."""
    names = [path.stem for path in data_folder("experiments").glob("[a-z]*.py")]
    return sorted(names, key=_reading_order)


def _reading_order(name: str) -> tuple[int, list[str | int]]:
    kind = next((place for place, start in enumerate(("table", "figure")) if name.startswith(start)), 2)
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def load_experiment(name: str) -> Experiment:
    """Import experiments/NAME.py from wherever it is installed."""
    spec = importlib.util.spec_from_file_location(f"experiments.{name}", data_folder("experiments") / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast(Experiment, module)
