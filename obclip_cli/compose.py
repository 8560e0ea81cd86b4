"""Composing the configuration with Hydra; errors name the nearest valid key."""

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from obclip_cli.config import KEYWORDS, Config
from obclip_cli.config_checks import check
from obclip_cli.errors import UserError, nearest
from obclip_cli.resources import data_folder


def compose_config(overrides: Iterable[str] = ()) -> Config:
    """Compose `configs/config.yaml` with Hydra overrides and check it.

    Raises:
        UserError: an unknown key or group, a value of the wrong type or out of range.
    """
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(data_folder("configs")), version_base="1.3"):
            composed = compose("config", overrides=[normalise_override(o) for o in overrides])
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_explain(error)) from error
    return typed(composed)


def normalise_override(override: str) -> str:
    """Check the form KEY=VALUE and that a group's option exists."""
    key, equals, value = override.partition("=")
    if not equals:
        raise UserError(f'"{override}" is not an override; write group.key=value, as in hybrid.switch_point=5')
    group = data_folder("configs") / key
    if group.is_dir():
        options = sorted(path.stem for path in group.glob("*.yaml"))
        if value not in options:
            raise UserError(f"there is no {key} {value}; {nearest(value, options)}")
        return override
    return f"++{override}" if _is_setting(key) else override


def _is_setting(key: str) -> bool:
    """Whether a key is in the schema, which a file need not spell out; datasets have keys of their own.

    Raises:
        UserError: it looks like one of the schema and is not.
    """
    section: type = Config
    done = ""
    for name in key.split("."):
        hints = get_type_hints(section) if is_dataclass(section) else {}
        if not hints or not name.isidentifier():  # inside `dataset`, or Hydra's own +key, ~key, group@place
            return False
        known = _typed_names(section)
        if name not in known:
            raise UserError(f"there is no setting {done}{name}; {nearest(name, known)}")
        section, done = hints[KEYWORDS.get(name, name)], f"{done}{name}."
    return not is_dataclass(section)


def _typed_names(section: type) -> list[str]:
    """A section's keys as they are typed."""
    return [next((typed for typed, field in KEYWORDS.items() if field == f.name), f.name) for f in fields(section)]


def typed(composed: DictConfig) -> Config:
    """Turn a composed configuration into a checked `Config`."""
    plain = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(plain, dict)
    _check_keys(plain, Config, "")
    for old, new in KEYWORDS.items():
        if old in plain["privacy"]:
            plain["privacy"][new] = plain["privacy"].pop(old)
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain))
    except OmegaConfBaseException as error:
        raise UserError(_explain(error)) from error
    assert isinstance(config, Config)
    check(config)
    if config.privacy.strategy == "auto":
        config.privacy.strategy = "bucket" if config.privacy.lambda_ > 0 else "all"
    return config


def _check_keys(values: dict[Any, Any], schema: type, prefix: str) -> None:
    """Every key must be in the schema; `dataset` is checked by its own class."""
    hints = get_type_hints(schema)
    known = _typed_names(schema)
    for key, value in values.items():
        if key not in known:
            raise UserError(f"there is no setting {prefix}{key}; {nearest(str(key), known)}")
        inner = hints.get(KEYWORDS.get(key, key))
        if isinstance(value, dict) and isinstance(inner, type) and is_dataclass(inner):
            _check_keys(value, inner, f"{prefix}{key}.")


def _explain(error: Exception) -> str:
    """The one line of a Hydra or OmegaConf error that a user needs."""
    text = str(error)
    if found := re.search(r"Could not override '([^']+)'", text):
        return f"there is no setting {found[1]}; `obclip generate --cfg` lists all"
    if found := re.search(r"Value '([^']*)'.*could not be converted to (\w+)", text):
        key = re.search(r"full_key: (\S+)", text)
        return f"{key[1] if key else 'a setting'}={found[1]} must be a {found[2].lower()}"
    return text.strip().splitlines()[0]
