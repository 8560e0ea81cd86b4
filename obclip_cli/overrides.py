"""Settings as they are typed, `group.key=value` in Hydra's grammar; what is wrong with one is said in our own words."""

import re
import shlex
from dataclasses import is_dataclass
from itertools import islice
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException

from obclip_cli.config import Config
from obclip_cli.errors import UserError, nearest, require
from obclip_cli.resources import data_folder

GROUPS = ("pair", "dataset", "hybrid", "cache", "privacy", "experiment", "model@pair.cloud", "model@pair.device")
FORM = "write group.key=value, as in hybrid.switch_point=5"
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
MOST_VALUES = 1000  # that one setting of a sweep may have
LONGEST = 120  # characters of a setting that an error repeats


def read_override(override: str) -> Override:
    """One setting, parsed.

    Raises:
        UserError: it is no setting, or its value holds what Hydra's grammar keeps for itself.
    """
    key, equals, value = override.partition("=")
    if not equals or re.fullmatch(r"\+{0,2}[A-Za-z_][\w./@-]*", key) is None or key[-1] in "./@-":
        raise UserError(f'"{shortened(override)}" is not an override; {FORM}')
    try:
        parsed = OverridesParser.create().parse_override(override)
    except (HydraException, RecursionError) as error:
        key = as_typed(key)
        typed = shortened(shlex.quote(f"{key}={quoted(value)}"))
        why = "a value with any of = ( ) [ ] { } # % ~ $ , or quotes in it is typed in double quotes inside single ones"
        raise UserError(f"{shortened(f'{key}={value}')} cannot be read: {why}, as in {typed}") from error
    _check_group(key, parsed)
    return parsed


def quoted(value: str) -> str:
    """A text as a value of Hydra's grammar that means these characters and nothing else."""
    escaped = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), value, count=0)
    return '"' + escaped.replace("${", "\\${") + '"'


def shortened(text: str) -> str:
    """A text for an error of one line."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def as_typed(key: str) -> str:
    """A setting's name as a user types it: `lambda`, which Python keeps for itself, is `lambda_` in the schema."""
    return ".".join(part.rstrip("_") for part in key.lstrip("+").split("."))


def names_of(group: str) -> list[str]:
    """What a group may be set to: the files of its folder in configs."""
    return sorted(path.stem for path in (data_folder("configs") / group.partition("@")[0]).glob("*.yaml"))


def values_of(override: str) -> list[str]:
    """A sweep's setting as one for each of its values; none where Hydra or one of its plug-ins chooses them.

    Raises:
        UserError: as in `read_override`; or it has no value, or too many.
    """
    parsed = read_override(override)
    chosen_later = parsed.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP)
    if chosen_later or is_hydras(override):
        return []
    if not parsed.is_sweep_override():
        return [override]
    key = override.partition("=")[0]
    try:
        found = [f"{key}={value}" for value in islice(parsed.sweep_string_iterator(), MOST_VALUES + 1)]
    except (HydraException, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{shortened(override)} gives no values; as in seed=0,1,2 or 'seed=range(0,3)'") from error
    require(bool(found), f"{shortened(override)} has no values; as in seed=0,1,2 or 'seed=range(0,3)'")
    require(len(found) <= MOST_VALUES, f"{shortened(override)} has more than {MOST_VALUES} values; sweep over fewer")
    return found


def is_hydras(override: str) -> bool:
    """Whether it sets how Hydra runs a sweep, not what a run is."""
    return re.match(r"\+{0,2}hydra[./]", override) is not None


def check_single(override: str) -> None:
    """Refuse what only a sweep may be told.

    Raises:
        UserError: it has several values, or is Hydra's own; or as in `read_override`.
    """
    key, _, value = override.partition("=")
    parsed, said = read_override(override), shortened(f"{as_typed(key)}={value}")
    require(not parsed.is_sweep_override(), f"{said} has several values; `obclip sweep {said}` tries each of them")
    require(not is_hydras(override), f"{said} is a setting of `obclip sweep`; leave it out")


def _check_group(key: str, parsed: Override) -> None:
    """A group takes one name; a group of another place does not exist."""
    if key.lstrip("+").startswith("hydra"):
        return
    is_known = key.lstrip("+") in GROUPS
    if not is_known and ("/" in key or "@" in key or key.lstrip("+") == "model"):
        raise UserError(f"there is no group {key}; {nearest(key, GROUPS)}")
    value = parsed.value()
    if is_known and not parsed.is_sweep_override() and (not isinstance(value, str | dict) or not value):
        group, said = key.partition("@")[0].lstrip("+"), shortened(parsed.get_value_element_as_str() or '""')
        raise UserError(f"there is no {group} {said}; choose one of: {', '.join(names_of(group))}")
    require(not is_known or key[0] != "+", f"{shortened(key)} is there already; type it without +")


def kind_of(key: str) -> str | None:
    """What a setting must be, in words; None where the schema does not say."""
    kind: Any = Config
    for name in key.split("."):
        hints = get_type_hints(kind) if is_dataclass(kind) else {}
        kind = hints.get(name, hints.get(f"{name}_"))
        optional = get_origin(kind) in (Union, UnionType)
        kind = next(part for part in get_args(kind) if part is not type(None)) if optional else kind
    if kind is None:
        return None
    words = KINDS.get(kind, f"a group of settings; set them one by one, as in {key}.name=value")
    return f"{words}, or null" if optional and kind in KINDS else words
