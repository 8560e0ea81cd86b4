"""Ablations: one run for every combination of settings, by Hydra's multirun and its launchers.

jobs/0/job.json        what a job was, and its run or its error
runs/                  run folders; the baselines have one of their own, made once
sweep.json             what was asked for
"""

import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
from filelock import FileLock
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from obclip_cli import runs
from obclip_cli.compose import compose_config, composed, explained, normalise_override, typed
from obclip_cli.config import CacheConfig, Config, HybridConfig
from obclip_cli.errors import UserError, nearest, require
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.methods import both_ends, configured_method
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.overrides import MOST_VALUES, is_hydras, quoted, values_of
from obclip_cli.report.progress import ProgressBar, progress_bars
from obclip_cli.resources import data_folder

SHOWN = 3  # impossible combinations whose reason is printed
UNFINISHED = "stopped before it was finished"
LAUNCHERS = {"joblib": "joblib", "submitit": "submitit_local", "ray": "ray"}  # plug-in -> what it is called by


def settings_of(overrides: list[str]) -> list[str]:
    """Settings without Hydra's own, such as the launcher, which change no result."""
    return [override for override in overrides if not is_hydras(override)]


def identity(asked: list[str], checked: list[str]) -> str:
    """What the mark of a finished sweep holds: its settings, and the weights of every pair in it."""
    options = [values for override in checked if (values := values_of(override))]
    pairs = itertools.product(*(v if v[0].startswith(("pair", "model@")) else v[:1] for v in options))
    return runs.fingerprint(settings_of(asked), [runs.pair_weights(compose_config(one).pair) for one in pairs])


def is_finished(folder: Path, mark: str) -> bool:
    """Whether the folder holds this sweep with all of its runs."""
    path = folder / runs.FINISHED
    return path.exists() and path.read_text() == mark


def run(checked: list[str], folder: Path) -> None:
    """Run every combination. A job that fails says so in its `job.json` and stops no other.

    Args:
        checked: by `checked_overrides`.
        folder: of a sweep that was begun.
    """
    arguments = ["obclip sweep", "--multirun", f"hydra.sweep.dir={quoted(str(folder.resolve()))}", *checked]
    with explained(checked), _command_line(arguments):
        _job()


def checked_overrides(overrides: list[str]) -> list[str]:
    """Overrides as Hydra takes them, after a look at every value and combination before the first run.

    Raises:
        UserError: a setting or option does not exist, a value is of the wrong type, the grammar is wrong, or
            combinations cannot be; names them.
    """
    said = [normalise_override(override) for override in overrides]
    options = [values for override in said if (values := values_of(override))]
    number = math.prod(map(len, options))
    require(number <= MOST_VALUES, f"these are {number:,} combinations; sweep over at most {MOST_VALUES:,}")
    first = [values[0] for values in options]
    for place, values in enumerate(options):
        for value in values:
            one = [*first[:place], value, *first[place + 1 :]]
            with explained(one):
                OmegaConf.to_container(composed("config", one), resolve=True)
    _check_combinations(options)
    return [_checked_launcher(override) if override.startswith("hydra/launcher") else override for override in said]


def _check_combinations(options: list[list[str]]) -> None:
    swept = {value for values in options if len(values) > 1 for value in values}
    combinations, impossible = list(itertools.product(*options)), {}
    for combination in combinations:
        try:
            compose_config(combination)
        except UserError as error:
            said = " ".join(override.replace("lambda_=", "lambda=") for override in combination if override in swept)
            impossible[said] = str(error)
    if not impossible:
        return
    if not swept:
        raise UserError(next(iter(impossible.values())))
    named = [f"{said} ({why})" for said, why in impossible.items()]
    rest = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    hint = " (cache=paper chooses r and s by k)" if "cache." in "".join(named) else ""
    raise UserError(
        f"{len(named)} of {len(combinations)} combinations cannot be, and nothing was run: "
        f"{'; '.join(named[:SHOWN])}{rest}; leave them out{hint}"
    )


def first_combination(overrides: list[str]) -> Config:
    """The configuration of the first run; errors as in `checked_overrides`, or settings that do not fit together."""
    said = map(normalise_override, overrides)
    return compose_config([values[0] for override in said if (values := values_of(override))])


def _checked_launcher(override: str) -> str:
    """A launcher by the name of its plug-in, as in hydra/launcher=joblib."""
    from importlib.util import find_spec

    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    asked = override.partition("=")[2]
    plugin = next((plugin for plugin in LAUNCHERS if asked.startswith(plugin)), None)
    if plugin is None:
        Plugins.instance()  # reads what plug-ins offer
        known = sorted(name.removesuffix(".yaml") for name in ConfigStore.instance().list("hydra/launcher"))
        require(asked in known, f"there is no launcher {asked}; {nearest(asked, [*known, *LAUNCHERS])}")
        return override
    if find_spec(f"hydra_plugins.hydra_{plugin}_launcher") is None:
        raise UserError(f"{override} needs a plug-in; pip install 'obclip[cluster]'")
    return f"hydra/launcher={LAUNCHERS[plugin]}" if override.endswith(f"={plugin}") else override


def begin(folder: Path, overrides: list[str]) -> None:
    """Store the sweep's settings; the same sweep resumes in its folder, and one that made nothing gives way.

    Raises:
        UserError: the folder holds another sweep.
    """
    path = folder / "sweep.json"
    asked = {"overrides": settings_of(overrides)}
    if path.exists() and runs.read_json(path) != asked and any(folder.glob("runs/*/config.yaml")):
        raise UserError(f"{folder} holds another sweep; choose another folder with -o")
    for job in folder.glob("jobs/*/job.json"):
        job.unlink()
    runs.write_text(path, json.dumps(asked, indent=1) + "\n")


@contextmanager
def _command_line(arguments: list[str]) -> Iterator[None]:
    """Hydra reads its arguments from the command line, and raises its errors only when asked to."""
    before, told = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = arguments, "1"
    try:
        yield
    finally:
        sys.argv = before
        if told is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = told


@hydra.main(version_base="1.3", config_path=str(data_folder("configs")), config_name="sweep")
def _job(composed: DictConfig) -> None:
    """One combination, in whatever process the launcher runs it."""
    job = HydraConfig.get()
    place = Path(job.runtime.output_dir)
    facts: dict[str, Any] = {"overrides": list(job.overrides.task), "error": UNFINISHED}
    _write(place, facts)
    try:
        facts |= score_job(typed(composed), place.parent.parent, job.job.num)
        del facts["error"]
    except Exception as error:  # a failed job must not stop the others
        facts["error"] = f"{'' if isinstance(error, UserError) else type(error).__name__ + ': '}{error}".strip()
    _write(place, facts)


def score_job(config: Config, folder: Path, number: int) -> dict[str, Any]:
    """Score the configured method, and the baselines unless another job of the sweep has; or an experiment's methods.

    Args:
        number: the job's, for its progress bar.

    Returns:
        the names of the methods, their run folder and that of the baselines, relative to the sweep's.
    """
    if config.experiment is not None:
        block = blocks_of(config)[0]
        place = folder / "runs" / run_name(block.config, block.methods)
        with progress_bars() as bars:
            _alone(block.config, block.methods, place, lambda what, total: bars(f"job {number}: {what}", total))
        return {"methods": [method.name for method in block.methods], "run": f"runs/{place.name}"}
    baseline = baseline_config(config)
    ends = both_ends(baseline)
    method = configured_method(config)
    shared = folder / "runs" / run_name(baseline, ends)
    own = folder / "runs" / run_name(config, [method])
    with progress_bars() as bars:

        def bar(what: str, total: int) -> Callable[[int], None]:
            return bars(f"job {number}: {what}", total)

        _, images, samples = _alone(baseline, ends, shared, bar)
        _alone(config, [method], own, bar, (images[ends[0].name], samples))
    return {"methods": [method.name], "run": f"runs/{own.name}", "baselines": f"runs/{shared.name}"}


def baseline_config(config: Config) -> Config:
    """The settings that the baselines depend on: neither the split, nor caches, nor lambda."""
    hybrid = HybridConfig(steps=config.hybrid.steps, switch_point=0)
    strategy = "none" if config.privacy.strategy == "none" else "all"
    privacy = replace(config.privacy, strategy=strategy, lambda_=0.0, epsilon=None)
    return replace(config, hybrid=hybrid, cache=CacheConfig(), privacy=privacy)


def _alone(config: Config, methods: list[Any], folder: Path, bar: ProgressBar, cloud_only: Any = None) -> Any:
    """A run behind a lock: one job of the sweep makes it, the others wait and read it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        return run_benchmark(config, methods, folder, bar, cloud_only)


def _write(place: Path, facts: dict[str, Any]) -> None:
    runs.write_text(place / "job.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
