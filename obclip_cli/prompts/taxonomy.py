"""Read a taxonomy file and check it: every value has its word, and no word says two things."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml

from obclip_cli.errors import UserError
from obclip_cli.prompts.english import plural
from obclip_cli.prompts.forms import PLACE, Form, Taxonomy, Use, Values

__all__ = ["Form", "Taxonomy", "Values", "load_taxonomy"]

Spaces = dict[str, tuple[str, ...]]
TOP_KEYS = {"attributes", "outside", "forms", "lookalikes", "reveals"}
FORM_KEYS = {
    *("carries", "words", "also", "rows", "years", "decades", "use", "position", "names_a_person", "before_a_word"),
    *("written_as", "only_before", "before_own", "unmarked", "of_animals_too", "combines", "role"),
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's is ten times faster
    """YAML that refuses a key given twice, where plain YAML keeps the last one."""


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    keys = [str(loader.construct_object(key)) for key, _ in node.value]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise yaml.MarkedYAMLError(problem=f'"{twice[0]}" is given twice', problem_mark=node.start_mark)
    return {key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value, strict=True)}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy file; its format is explained in configs/privacy/taxonomy/paper.yaml.

    Raises:
        UserError: one line that names the file and what to put right.
    """
    data = _read_yaml(path)
    spaces = {str(name): _values(path, name, values) for name, values in data["attributes"].items()}
    outside = {str(name): _values(path, name, values) for name, values in data.get("outside", {}).items()}
    _check_known(path, "outside", [*outside], [*spaces])
    _check_known(path, "reveals", [*data.get("reveals", {})], [*spaces])
    forms = tuple(
        form for name, entry in data["forms"].items() for form in _forms(path, str(name), entry, spaces, outside)
    )
    _check_parts(path, forms)
    _check_spellings(path, forms)
    reveals = {name: _flat(words) for name, words in data.get("reveals", {}).items()}
    return Taxonomy(path.stem, spaces, forms, outside, _flat(data.get("lookalikes", [])), reveals)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the taxonomy {path} ({error})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not a taxonomy: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not all(isinstance(data.get(key), dict) for key in ("attributes", "forms")):
        raise UserError(f"{path.name} is not a taxonomy: it needs attributes and forms, as in emoji.yaml")
    _check_known(path, "the taxonomy", [*data], sorted(TOP_KEYS))
    return data


def _values(path: Path, name: str, values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise UserError(f"{path.name}: attribute {name} has no values; give a list such as [young, old]")
    listed = tuple(str(value) for value in values)
    if twice := [value for value in listed if listed.count(value) > 1]:
        raise UserError(f"{path.name}: attribute {name} has the value {twice[0]} twice")
    if spaced := [value for value in listed if not value or re.search(r"\s", value)]:
        raise UserError(f'{path.name}: the value "{spaced[0]}" of {name} must be one word; join it by a hyphen')
    return listed


def _forms(path: Path, name: str, entry: dict[str, Any], spaces: Spaces, outside: Spaces) -> Iterator[Form]:
    """The forms of one entry: one, or with `rows` two for each row (singular and plural)."""
    if not isinstance(entry, dict) or not isinstance(entry.get("carries"), list):
        raise UserError(f"{path.name}: form {name} must say what it carries, as in carries: [gender]")
    _check_known(path, f"form {name}", [*entry], sorted(FORM_KEYS))
    if "rows" not in entry:
        yield _form(path, name, entry, spaces, outside)
        return
    rest = {key: value for key, value in entry.items() if key != "rows"}
    for row in entry["rows"]:
        cells = {values: [word.strip() for word in str(cell).split("|")] for values, cell in row.items()}
        for number, inflect in (("one", str), ("several", plural)):
            inflected = {values: [inflect(word.rstrip("*")) for word in listed] for values, listed in cells.items()}
            written_as = inflected.pop("as", [None])[0]
            unmarked = [inflect(word[:-1]) for listed in cells.values() for word in listed if word.endswith("*")]
            first = {} if written_as else {values: listed[0] for values, listed in inflected.items()}
            form = {**rest, "words": first, "written_as": written_as, "unmarked": unmarked}
            form["also"] = {values: listed[len(first) and 1 :] for values, listed in inflected.items()}
            yield _form(path, f"{name}: {written_as or '/'.join(first.values())} ({number})", form, spaces, outside)


def _form(path: Path, name: str, entry: dict[str, Any], spaces: Spaces, outside: Spaces) -> Form:
    carries = tuple(entry["carries"])
    if unknown := [a for a in carries if a not in spaces]:
        raise UserError(f"{path.name}: form {name} carries the unknown attribute {unknown[0]}")
    expected = list(itertools.product(*(spaces[a] for a in carries)))
    sayable = list(itertools.product(*(spaces[a] + outside.get(a, ()) for a in carries)))
    words = {_key(key): str(word) for key, word in entry.get("words", {}).items()}
    also = {_key(key): _flat(listed) for key, listed in entry.get("also", {}).items()}
    years = {_key(key): _years(path, name, text) for key, text in entry.get("years", {}).items()}
    written_as = entry.get("written_as")
    if missing := [v for v in expected if v not in words and written_as is None]:
        raise UserError(f"{path.name}: form {name} has no word for {' '.join(missing[0])}")
    if unknown := [v for v in words if v not in expected] + [v for v in (*also, *years) if v not in sayable]:
        raise UserError(f"{path.name}: form {name} has a word for the unknown value {' '.join(unknown[0])}")
    use = entry.get("use", "always")
    _check_known(path, f"use of form {name}", [use], list(get_args(Use)))
    return Form(
        name,
        carries,
        words,
        also,
        use=use,
        names_a_person=bool(entry.get("names_a_person")),
        stands_before=entry.get("position") == "before" or use == "adjective",
        before_a_word=entry.get("before_a_word"),
        written_as=written_as,
        only_before=frozenset(_flat(entry.get("only_before", []))),
        before_own=frozenset(_flat(entry.get("before_own", []))),
        unmarked=frozenset(_flat(entry.get("unmarked", []))),
        years=years,
        decades=bool(entry.get("decades")),
        of_animals_too=bool(entry.get("of_animals_too")),
        combines=bool(entry.get("combines")),
        role=bool(entry.get("role")),
    )


def _flat(listed: list[Any]) -> tuple[str, ...]:
    """The words of a list that may be broken into several lists."""
    words = [word for item in listed for word in (item if isinstance(item, list) else [item])]
    return tuple(str(word).lower() for word in words)


def _key(key: object) -> Values:
    return tuple(str(key).split())


def _years(path: Path, name: str, text: object) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)-(\d+)", str(text))
    if found is None or int(found[1]) > int(found[2]):
        raise UserError(f'{path.name}: form {name} has years "{text}"; write them as 0-39')
    return int(found[1]), int(found[2])


def _check_known(path: Path, where: str, given: list[str], known: list[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        raise UserError(f'{path.name}: {where} has the unknown entry "{unknown[0]}"; it can be {", ".join(known)}')


def _check_parts(path: Path, forms: tuple[Form, ...]) -> None:
    """What a form is written as must be words of other forms that say the same attributes."""
    known = {form.name: form for form in forms}
    for form in forms:
        names = PLACE.findall(form.written_as or "")
        if unknown := [name for name in names if name not in known or known[name].written_as]:
            raise UserError(f"{path.name}: form {form.name} is written as the unknown form {unknown[0]}")
        if form.written_as and sorted(form.carries) != sorted(a for name in names for a in known[name].carries):
            raise UserError(f"{path.name}: form {form.name} must be written as forms that carry the same attributes")


def _check_spellings(path: Path, forms: tuple[Form, ...]) -> None:
    seen: set[tuple[str, str, bool | None]] = set()
    for form in forms:
        for word, _ in form.spellings():
            if (word, form.use, form.before_a_word) in seen:
                raise UserError(f'{path.name}: "{word}" is listed twice; each spelling can say only one thing')
            seen.add((word, form.use, form.before_a_word))
