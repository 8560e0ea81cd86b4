"""Composing the configuration with Hydra, and comparing it with its schema; errors name the nearest valid key."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, get_type_hints

import yaml
from hydra import compose, initialize_config_dir, version
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from obclip_cli.config import FULL, QUICK, CacheConfig, Config, HybridConfig, ModelConfig, PairConfig, step_places
from obclip_cli.errors import UserError, check_least, nearest, require
from obclip_cli.overrides import GROUPS, as_typed, check_single, kind_of, names_of, quoted, shortened
from obclip_cli.resources import data_folder

# What Hydra and OmegaConf raise for values that they cannot merge; the last four are theirs, too, for odd values.
HYDRAS = (HydraException, OmegaConfBaseException, AssertionError, AttributeError, ValueError, RecursionError)
# The first entry of config.yaml: what may be set, of which type, and its default.
ConfigStore.instance().store(name="schema", node=Config)


def compose_config(overrides: Iterable[str] = ()) -> Config:
    """Compose `configs/config.yaml` with Hydra overrides and check it.

    Raises:
        UserError: an unknown key or group, a value of the wrong type or out of range.
    """
    overrides = list(overrides)
    return typed(composed("config", overrides), overrides)


def overrides_for(**settings: Any) -> list[str]:
    """Python keywords as Hydra overrides: `switch_point=5` becomes `hybrid.switch_point=5`, None is Hydra's null.

    Raises:
        UserError: no setting has this name.
    """
    keys = {"limit": "dataset.limit", "root": "dataset.root"}
    for section, kind in get_type_hints(Config).items():
        keys[section] = section
        for field in fields(kind) if is_dataclass(kind) else ():
            keys.setdefault(field.name, f"{section}.{field.name.rstrip('_')}")
    overrides = []
    for name, value in settings.items():
        if name not in keys:
            raise UserError(f"there is no setting {name}; {nearest(name, keys)}")
        typed_value = quoted(value) if isinstance(value, str) else "null" if value is None else value
        overrides.append(f"{keys[name]}={typed_value}")
    return overrides


def compose_model(name: str) -> ModelConfig:
    """A file of configs/model.

    Raises:
        UserError: there is none of this name.
    """
    model = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(ModelConfig), composed(f"model/{name}").model))
    assert isinstance(model, ModelConfig)
    return model


def composed(name: str, overrides: Iterable[str] = ()) -> DictConfig:
    """What Hydra makes of a file of configs and of overrides, before values are compared with each other.

    Raises:
        UserError: an unknown key or group, or a value of the wrong type.
    """
    overrides = tuple(normalise_override(override) for override in overrides)
    for override in overrides:
        check_single(override)
    return _composed(name, overrides)


@lru_cache(maxsize=256)
def _composed(name: str, overrides: tuple[str, ...]) -> DictConfig:
    with (
        explained(overrides),
        _hydra_of_the_caller(),
        initialize_config_dir(str(data_folder("configs")), version_base="1.3"),
    ):
        return compose(name, overrides=list(overrides))


@contextmanager
def _hydra_of_the_caller() -> Iterator[None]:
    """Hydra's state is global to the process; a caller that uses it too finds it unchanged."""
    hydra, base = GlobalHydra.instance().hydra, version.VersionBase.instance().getbase()
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = hydra
        version.VersionBase.instance().version_base = base


def normalise_override(override: str) -> str:
    """Python keeps the word `lambda` for itself."""
    key, equals, value = override.partition("=")
    return f"{key}_={value}" if equals and key.endswith("privacy.lambda") else override


def typed(found: DictConfig, overrides: Sequence[str] = ()) -> Config:
    """Turn a composed configuration into a checked `Config`; `overrides` are named in errors."""
    with explained(overrides):
        plain = OmegaConf.to_container(found, resolve=True)
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    assert isinstance(config, Config)
    config.dataset = _dataset_of(config.dataset, config.pair, config.size)
    config.experiment = sized(config.experiment, config.size)
    config.cache = config.cache.at(config.hybrid.switch_point, own_schedule=config.pair.cloud.steps is not None)
    check(config)
    return config


def check(config: Config) -> None:
    """Refuse settings that do not fit together.

    Raises:
        UserError: names the key and what is allowed.
    """
    hybrid, cloud, device = config.hybrid, config.pair.cloud, config.pair.device
    k, longest, shift = hybrid.switch_point, config.cloud_steps, hybrid.timestep_shift
    whose = "hybrid.steps" if cloud.steps is None else "pair.cloud.steps"
    require(0 <= k <= longest, f"hybrid.switch_point={k} must lie in 0..{longest} ({whose})")
    if cloud.steps is None:
        needs = "needs a cloud with a schedule of its own (pair.cloud.steps, as in pair=lcmsdxl-koala); leave it at 0"
        require(shift == 0, f"hybrid.timestep_shift={shift} {needs}")
    else:
        needs = "needs one schedule for both models; leave pair.cloud.steps at null"
        require(hybrid.order == "server_first", f"hybrid.order={hybrid.order} {needs}")
    if "lcm" in (cloud.scheduler, device.scheduler):
        needs = "is DPM-Solver++'s; with an LCM scheduler use hybrid.handover=restart"
        require(hybrid.handover == "restart", f"hybrid.handover={hybrid.handover} {needs}")
    start, place = k + shift, f"puts the device at step {k + shift} of {hybrid.steps}"
    require(0 <= start <= hybrid.steps, f"hybrid.timestep_shift={shift} {place}")
    if hybrid.device_steps is not None:
        on_device = hybrid.steps - (k if hybrid.order == "client_first" else start)
        require(on_device > 0, f"hybrid.device_steps={hybrid.device_steps}: the device has no steps; leave it at null")
        step_places("hybrid.device_steps", hybrid.device_steps, on_device)
    _check_cache(config.cache, hybrid)
    check_least("cloud.batch", config.rows_at_once, 2)  # a candidate has a conditional and an unconditional row
    called: Any = config.dataset.get("name", "dataset")
    is_word = isinstance(called, str) and re.fullmatch(r"[\w.-]*\w[\w.-]*", called)
    require(bool(is_word), f"dataset.name={called} must be one word; run folders are called by it")
    require(0 <= config.seed < 2**63, f"seed={config.seed} must be a whole number from 0 to 2^63-1")


def _check_cache(cache: CacheConfig, hybrid: HybridConfig) -> None:
    """The points of the caches against the steps that the cloud runs."""
    steps = hybrid.cloud_passes
    whose = "hybrid.switch_point" if hybrid.cloud_steps is None else "hybrid.cloud_steps"
    for name in ("cache_point", "skip_point", "trunk"):
        point = getattr(cache, name)
        limit = f"must lie in 1..{steps} ({whose}), or be null"
        require(point is None or point <= steps, f"cache.{name}={point} {limit}")
    if cache.order == 1 and cache.skip_every is not None and cache.first_skipped == 1:
        second = cache.skip_every
        require(
            second + 1 < steps,
            f"cache.order=1 needs two whole steps before one that is skipped, and of {steps} steps with "
            f"cache.skip_every={second} none has them; leave it at 0",
        )


def _dataset_of(asked: dict[str, Any], pair: PairConfig, size: str) -> dict[str, Any]:
    """The pair's own captions or portraits in the place of `captions_of_pair` or `portraits_of_pair`, at a size."""
    limits = asked.pop("limit_on", {})
    if (kind := asked.pop("of_pair", None)) is None:
        return asked
    name = getattr(pair, kind)
    path = data_folder("configs") / "dataset" / f"{name}.yaml"
    if not path.exists():
        raise UserError(
            f"pair.{kind}={name} is no dataset; {nearest(name, [p.stem for p in path.parent.glob('*.yaml')])}"
        )
    asked["limit"] = sized(limits.get(pair.name) if asked["limit"] is None else asked["limit"], size)
    return yaml.safe_load(path.read_text()) | {key: value for key, value in asked.items() if value is not None}


def sized(value: Any, size: str) -> Any:
    """Settings of which any may say `{quick: ..., full: ...}`, at one size."""
    if isinstance(value, list):
        return [sized(each, size) for each in value]
    if not isinstance(value, Mapping):
        return value
    return sized(value[size], size) if set(value) == {QUICK, FULL} else {k: sized(v, size) for k, v in value.items()}


@contextmanager
def explained(overrides: Sequence[str] = ()) -> Iterator[None]:
    """Errors of Hydra and OmegaConf in one line of ours.

    Args:
        overrides: what was typed, to be named where it is to blame.
    """
    try:
        yield
    except MissingConfigException as error:
        place = str(error.missing_cfg_file)
        group = next((name for name in GROUPS if place.startswith(f"{name.partition('@')[0]}/")), "config")
        group = group.partition("@")[0]
        name = place.removeprefix(f"{group}/")
        raise UserError(f"there is no {group} {shortened(name)}; {nearest(name, names_of(group))}") from error
    except HYDRAS as error:
        raise UserError(_explain(f"{error}\n{error.__cause__ or ''}", overrides)) from error


def _explain(text: str, overrides: Sequence[str]) -> str:
    found = re.search(r"full_key: (\S+)", text)
    key = as_typed(found[1]) if found else ""
    keys = {override: as_typed(override.partition("=")[0]) for override in overrides}
    mine = [override for override, name in keys.items() if key and (name == key or name.startswith(f"{key}."))]
    mine = mine or [override for override in overrides if override in text or override.partition("=")[0] in text]
    mine = mine or list(overrides)[-1:]
    said = shortened(f"{as_typed(mine[-1].partition('=')[0])}={mine[-1].partition('=')[2]}") if mine else key
    if re.search(r"Key '.*' (is )?not in", text):
        siblings = _siblings(key)
        hint = nearest(key.rpartition(".")[2], siblings) if siblings else "`--cfg` lists all"
        return f"there is no setting {key}; {hint}"
    if "nterpolation" in text:
        return f"{said}: ${{...}} takes the value of another setting by its whole name, as in ${{hybrid.steps}}"
    if key and (kind := kind_of(key)):
        whose = "" if not mine or keys[mine[-1]] == key else f": {key}"
        return f"{said}{whose} must be {kind}"
    return f"{said or 'a setting'} does not fit; `obclip generate --cfg` prints every setting"


def _siblings(key: str) -> list[str]:
    """The settings beside one, as they are typed; none where the schema leaves them open."""
    schema: Any = Config
    for name in key.split(".")[:-1]:
        schema = get_type_hints(schema).get(name) if is_dataclass(schema) else None
    return [setting.name.rstrip("_") for setting in fields(schema)] if is_dataclass(schema) else []


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"hybrid": {"steps": 25}}` as `{"hybrid.steps": 25}`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def defaults_of(schema: type, prefix: str = "") -> dict[str, Any]:
    """A dataclass's defaults in the same form; settings that have none are left out."""
    found: dict[str, Any] = {}
    hints = get_type_hints(schema)
    for setting in fields(schema):
        key, kind = prefix + setting.name.rstrip("_"), hints[setting.name]
        if isinstance(kind, type) and is_dataclass(kind):
            found |= defaults_of(kind, f"{key}.")
        elif setting.default is not MISSING:
            found[key] = setting.default
    return found


def differing(values: Mapping[str, Any], schema: type) -> dict[str, Any]:
    """The settings that differ from the schema's defaults (or from null, where the schema does not list them)."""
    defaults = defaults_of(schema)
    return {key: value for key, value in flat(values).items() if value != defaults.get(key)}
