"""The folder of one evaluation: which parts are finished, and which settings it may be resumed with.

config.yaml, environment.json   what was asked for, and where it ran
methods.json, samples.json      the methods with their models' weights; the prompts with their noise
images/METHOD/000000.png        one file an image
results.csv, metrics.json       what was seen in each image; each method's scores with their intervals
scores.csv                      one row a method; written last, but for a mark that says so
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli import runs
from obclip_cli.compose import differing
from obclip_cli.config import Config
from obclip_cli.data import Sample
from obclip_cli.errors import UserError
from obclip_cli.evaluation.images import StoredImages, stored_images
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.runs import pair_weights, read_table

ELSEWHERE = "choose another folder with -o"


class RunFolder:
    """A run's files. Nothing is written before `start`."""

    def __init__(self, folder: Path, config: Config, methods: list[Method]) -> None:
        self.folder, self.config, self.methods = folder, config, methods
        self.names = [method.name for method in methods]

    def check(self) -> None:
        """Refuse a folder that holds another run.

        Raises:
            UserError: it holds a run of another configuration, other methods or other weights.
        """
        runs.check_same(self.folder, self.config)
        path = self.folder / "methods.json"
        if path.exists() and _identity_in(path) != _identity(self._described):
            raise UserError(f"{self.folder} holds a run of other methods, or of models with other weights; {ELSEWHERE}")

    @cached_property
    def _described(self) -> dict[str, Any]:
        """The content of `methods.json`."""
        return {"methods": [asdict(method) for method in self.methods], "weights": pair_weights(self.config.pair)}

    @property
    def _mark_folder(self) -> Path:
        """The folder of the mark of a finished run: that of the images, as neither is committed to git."""
        return self.folder / "images"

    @property
    def is_finished(self) -> bool:
        """Whether all scores are stored and come from the weights that are present now.

        The mark of a run that every clone reads is committed, beside its scores.
        """
        marks = self._mark_folder, self.folder
        return (self.folder / "scores.csv").exists() and any(runs.is_finished(mark, self.config) for mark in marks)

    def start(self, samples: list[Sample], left_out: Mapping[str, str], schedule: str) -> None:
        """Write the run's configuration, methods and prompts.

        Args:
            left_out: prompts that no method is run on, and why.
            schedule: whose schedule each side runs on, in words.

        Raises:
            UserError: the run was begun with other prompts.
        """
        described = json.loads(json.dumps({"samples": [asdict(s) for s in samples], "left_out": dict(left_out)}))
        path = self.folder / "samples.json"
        if path.exists() and runs.read_json(path) != described:
            raise UserError(f"{self.folder} holds a run of other prompts: the dataset has changed; {ELSEWHERE}")
        runs.start(self.folder, self.config, schedule=schedule)
        runs.write_text(self.folder / "methods.json", _as_json(self._described))
        runs.write_text(path, _as_json(described))

    @cached_property
    def samples(self) -> list[Sample]:
        """The prompts, once the run has started."""
        return [Sample(**row) for row in runs.read_json(self.folder / "samples.json")["samples"]]

    @property
    def left_out(self) -> dict[str, str]:
        """Prompts that were left out of every method, and why."""
        found: dict[str, str] = runs.read_json(self.folder / "samples.json")["left_out"]
        return found

    @cached_property
    def images(self) -> dict[str, StoredImages]:
        """Each method's images, finished or not."""
        return stored_images(self.folder, self.names, len(self.samples))

    @property
    def metrics(self) -> dict[str, Any]:
        """`examiner` (which network each score comes from) and `methods` (name -> score -> value, low, high) so far."""
        path = self.folder / "metrics.json"
        found: dict[str, Any] = runs.read_json(path) if path.exists() else {"examiner": {}, "methods": {}}
        return found

    def add_scores(self, name: str, rows: pd.DataFrame, found: dict[str, Estimate], examiner: dict[str, str]) -> None:
        """Store one method's scores, and its rows, one for each prompt."""
        metrics = self.metrics
        results = self.folder / "results.csv"
        if results.exists():
            before = read_table(results)
            rows = pd.concat([before[before["method"] != name], rows], ignore_index=True)
        metrics["examiner"] = examiner
        metrics["methods"][name] = {score: _known(estimate) for score, estimate in found.items()}
        runs.write_text(results, rows.to_csv(index=False))
        runs.write_text(self.folder / "metrics.json", _as_json(metrics))

    def finish(self, table: pd.DataFrame) -> None:
        """Write `scores.csv`; from then on the run is only read."""
        runs.write_text(self.folder / "scores.csv", table.to_csv(index=False))
        runs.mark_finished(self._mark_folder, self.config)

    @property
    def scores(self) -> pd.DataFrame:
        """The finished table."""
        return read_table(self.folder / "scores.csv")


def run_name(config: Config, methods: list[Method]) -> str:
    """The run's folder name: dataset, pair, and a hash of everything else, weights included."""
    digest = runs.run_digest(config, [differing(asdict(method), Method) for method in methods])
    return f"{config.dataset.get('name', 'dataset')}-{config.pair.name}-{digest}"


def _identity_in(path: Path) -> dict[str, Any]:
    """That of a stored run.

    Raises:
        UserError: the file is not what a run writes.
    """
    try:
        return _identity(runs.read_json(path))
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise UserError(f"{path} is not what a run writes; {ELSEWHERE}") from error


def _identity(described: dict[str, Any]) -> dict[str, Any]:
    """Without the settings that are the defaults, which a file may have been written without."""
    return described | {"methods": [differing(method, Method) for method in described["methods"]]}


def _known(estimate: Estimate) -> dict[str, Any]:
    """nan as null, as JSON has no nan."""
    found = {key: None if value != value else value for key, value in asdict(estimate).items()}
    return {key: value for key, value in found.items() if key != "draws" or value}


def _as_json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
