"""What an experiment's YAML means: which methods it compares, and with which settings; one block is one run.

`experiment` of a configuration comes from configs/experiment: `methods` are names, and products of `use` and `k`.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from obclip_cli.compose import compose_config, compose_model
from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config, ModelConfig
from obclip_cli.data.templates import load_templates
from obclip_cli.errors import UserError
from obclip_cli.evaluation.methods import DEVICE_ONLY, GENERALISE, HYBRID_SD, OBCLIP, VANILLA, Method, method_name
from obclip_cli.evaluation.store import run_name

CACHE, REUSE = "cache", "cache+reuse"
SIDES = ("cloud", "device")
# k: file of configs/cache with the paper's r and s; the last is of a cloud with a schedule of its own, at any k.
PRESETS = {10: "paper_k10", 5: "paper_k5", 4: "paper_lcm"}
POINTS = [10, 5]  # of the paper, on one schedule
# What the names under `use` mean; an acceleration and a shift may follow, as in "ObCLIP, cache, dt=8".
USED: dict[str, dict[str, Any]] = {
    HYBRID_SD: {},
    OBCLIP: {"hidden": True},
    GENERALISE: {"general": True},
    # Without shared maps a candidate's image does not depend on the others: one of them is enough to score it.
    "ObCLIP alone": {},
    "server-first": {"order": "server_first"},
    "client-first": {"order": "client_first"},
    "restart": {"handover": "restart"},
    "history": {"handover": "history"},
}

CORRECTED = "p*"  # with `share`, of the steps that see it


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: of the method without its switch point, as claims name it.
        run: the method that is scored.
        cells: column -> what stands in it before anything is measured.
    """

    name: str
    k: int | None
    run: Method
    cells: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """What one run scores: an experiment has one, or one for each setting under `blocks`, or one a seed.

    Attributes:
        settings: the entry of `blocks`.
        candidates: N that costs are counted for.
    """

    config: Config
    rows: list[Row]
    settings: Mapping[str, Any]
    candidates: int

    @property
    def methods(self) -> list[Method]:
        """What is scored."""
        return [row.run for row in self.rows]

    @property
    def label(self) -> str:
        """What tells it from the others."""
        own = f"N={self.candidates}" if "templates" in self.config.dataset else self.config.pair.name
        return f"{own}, {self.settings['setting']}" if "setting" in self.settings else own

    @property
    def paper(self) -> dict[str, Any]:
        """Which of the paper's rows stand beside it."""
        found: dict[str, Any] = self.settings.get("paper", {})
        return found

    def run(self, folder: Path, missing: str = "") -> Path:
        """The run folder.

        Args:
            folder: where `runs/` is.
            missing: why nothing is scored; costs are counted all the same.
        """
        kind = self.settings.get("run", settings_of(self.config)["name"]).format(N=self.candidates)
        name = f"costs-{self.config.pair.name}" if missing else run_name(self.config, self.methods)
        return folder / "runs" / f"{kind}-{name}"


def settings_of(config: Config) -> dict[str, Any]:
    """`experiment` of a configuration that was composed with one.

    Raises:
        UserError: it was not.
    """
    if config.experiment is None:
        raise UserError(
            "this configuration names no experiment; add experiment=table3, or another of configs/experiment"
        )
    return config.experiment


def blocks_of(config: Config) -> list[Block]:
    """The runs that an experiment consists of.

    Raises:
        UserError: a block sets what the dataset does not have.
    """
    experiment = settings_of(config)
    seeds = experiment.get("seeds", 1)
    found = []
    for block in experiment.get("blocks", [{}]):
        for place in range(seeds):
            one = changed(config, for_pair(block.get("with", {}), config.pair.name) | {"seed": config.seed + place})
            rows = rows_of(one, block.get("methods"))
            found.append(Block(one, rows, {"run": experiment.get("run", experiment["name"])} | block, _candidates(one)))
    return found


def changed(config: Config, settings: Mapping[str, Any]) -> Config:
    """The configuration with other values of its dotted keys.

    Raises:
        UserError: the dataset has no such key.
    """
    found = deepcopy(config)
    for key, value in settings.items():
        *path, last = key.split(".")
        place = reduce(getattr, path, found)
        if not isinstance(place, dict):
            setattr(place, last, _model(value, getattr(place, last)) if path == ["pair"] and last in SIDES else value)
        elif last in place:
            place[last] = value
        else:
            raise UserError(f"dataset={config.dataset['name']} has no {key}; keep the experiment's own dataset")
    return found


def _model(value: Any, here: ModelConfig) -> ModelConfig:
    """Another model of the pair: `${pair.cloud}`, or a name of configs/model that stands in the same folder."""
    if isinstance(value, str):
        kept = {name: getattr(here, name) for name in ("path", "revision", "variant", "batch")}
        return replace(compose_model(value), **kept)
    found = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ModelConfig), value))
    assert isinstance(found, ModelConfig)
    return found


def for_pair(value: Any, pair: str) -> Any:
    """A setting that depends on the pair, `{default: ..., PAIR: ...}`."""
    return value.get(pair, value["default"]) if isinstance(value, Mapping) and "default" in value else value


def rows_of(config: Config, methods: list[Any] | None = None) -> list[Row]:
    """The rows of a block, without those that the pair's schedules have no room for.

    Args:
        methods: names, and products of `use` and `k` (or `share` of the cloud's steps); by default the experiment's.

    Raises:
        UserError: the experiment compares none.
    """
    found: list[Row] = []
    experiment = settings_of(config)
    if not methods and "methods" not in experiment:
        raise UserError(f"experiment={experiment['name']} compares no methods; run it with obclip reproduce")
    for entry in methods or experiment["methods"]:
        if isinstance(entry, str):
            found.append(_alone(config, entry))
            continue
        product = [(name, k) for k in switch_points(config, entry) for name in entry["use"]]
        found += [row for name, k in product if (row := _row(config, name, k)) is not None]
    return found


def _alone(config: Config, name: str) -> Row:
    """A method that one side runs from beginning to end."""
    steps = 0 if name == DEVICE_ONLY else config.cloud_steps
    return Row(name, None, Method(name, "server_first", steps, hidden=name == VANILLA), _cells(name, None))


def switch_points(config: Config, entry: Mapping[str, Any]) -> list[int]:
    """The values of `k`, or of `share` of the cloud's steps, that the cloud's schedule has.

    A cloud with a schedule of its own has the configured one in the place of the paper's.
    """
    if "share" in entry:
        return sorted({round(share * config.cloud_steps) for share in entry["share"]})
    if config.pair.cloud.steps is not None and entry.get("k") == POINTS:
        return [config.hybrid.switch_point]
    return [k for k in entry["k"] if k <= config.cloud_steps]


def _row(config: Config, name: str, k: int) -> Row | None:
    if name == CORRECTED:
        return _corrected(config, k)
    kind, *more = name.split(", ")
    settings: dict[str, Any] = {
        "order": "server_first",
        "switch_point": k,
        "handover": config.hybrid.handover,
        "timestep_shift": config.hybrid.timestep_shift,
    } | USED[kind]
    kind = kind.removesuffix(" alone")
    acceleration = next((part for part in more if part in (CACHE, REUSE)), "")
    shifts = [int(part.removeprefix("dt=")) for part in more if part.startswith("dt=")]
    settings |= {"timestep_shift": shifts[0]} if shifts else {}
    cache = paper_cache(k if config.pair.cloud.steps is None else 4, k, acceleration)
    method = Method(method_name(kind, k, ", ".join(more)), **settings, cache=cache)
    cells = _cells(kind, k, acceleration) | ({"timestep_shift": shifts[0]} if shifts else {})
    row = Row(", ".join([kind, *more]), k, method, cells)
    return row if _has_room(config, method, hands_over="handover" in USED[kind]) else None


def _corrected(config: Config, on_own: int) -> Row:
    """Another candidate in the place of the prompt p* at first, p* in the last `on_own` steps; k counts the others."""
    steps, handover = config.hybrid.steps, config.hybrid.handover
    name, replaced = f"p* in {on_own} of {steps} steps", steps - on_own
    method = Method(name, "server_first", replaced, hidden=True, handover=handover)
    cells = {"share": round(on_own / steps, 4), "steps_replaced": replaced, "steps_on_prompt": on_own}
    return Row(name, replaced, method if replaced else Method(name, "server_first", steps), cells)


def _cells(method: str, k: int | None, acceleration: str = "") -> dict[str, Any]:
    return {"method": method, "k": k, "acceleration": acceleration}


def _has_room(config: Config, method: Method, *, hands_over: bool) -> bool:
    """Whether the schedules allow a method: only on one schedule can the cloud go last, or a history be shipped."""
    k, steps = method.switch_point, config.cloud_steps
    if method.order == "client_first":  # the ends are the same in either order
        return config.pair.cloud.steps is None and 0 < k < steps
    if hands_over and method.handover == "history":
        return k < steps and {config.pair.cloud.scheduler, config.pair.device.scheduler} == {"dpm_solver"}
    return (k == steps and not hands_over) or (k < steps and k + method.timestep_shift <= config.hybrid.steps)


@lru_cache
def paper_cache(preset: int, k: int, acceleration: str) -> CacheConfig:
    """What the paper calls "", cache or cache+reuse; without the shared first step, which is ours.

    Args:
        preset: the k whose r and s are taken, one of `PRESETS`.
    """
    if not acceleration:
        return NO_ACCELERATION
    typed = [f"cache={PRESETS[preset]}", f"hybrid.switch_point={k}", "cache.shared_first_step=false"]
    whole = compose_config(typed).cache
    return whole if acceleration == REUSE else replace(whole, reuse=None)


def _candidates(config: Config) -> int:
    """N of filled templates: every combination of the values of their attributes; 1 for captions."""
    dataset = config.dataset
    if "templates" in dataset:
        return len(load_templates(dataset["templates"]).assignments(dataset["attributes"]))
    if "attributes" in dataset:
        raise UserError(f"dataset={dataset['name']} has no dataset.attributes; choose portraits or emoji_portraits")
    return 1
