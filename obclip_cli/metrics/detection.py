"""How well attributes are found in prompts: precision, recall and F1 of exact spans, by attribute."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli.errors import UserError

Label = tuple[int, int, str, str]  # start, end, attribute, value
Labelled = list[tuple[str, set[Label]]]
FIELDS = ("start", "end", "attribute", "value")


def detection_scores(
    path: Path, find: Callable[[str], list[dict[str, Any]]], watched: Callable[[Labelled], Iterable[Any]] = iter
) -> pd.DataFrame:
    """Compare found spans with labelled ones; a span counts if start, end, attribute and value are all right.

    Args:
        path: one JSON object a line: prompt, spans [{start, end, text, attribute, value}].
        find: prompt -> such spans, as `detect.records` gives them. A prompt that it refuses counts as nothing found.
        watched: shows how many prompts were gone through.

    Returns:
        One row for each attribute and one named "all": labelled, found, correct, precision, recall, f1.

    Raises:
        UserError: the file cannot be read, or a line of it; the message names the line.
    """
    prompts = list(_read(path))  # to the last line, before any is looked into
    pairs = [(wanted, _found(find, prompt)) for prompt, wanted in watched(prompts)]
    names = sorted({label[2] for both in pairs for labels in both for label in labels})
    rows = [_row(name, [(_of(name, wanted), _of(name, got)) for wanted, got in pairs]) for name in names]
    return pd.DataFrame([*rows, _row("all", pairs)])


def _of(attribute: str, labels: set[Label]) -> set[Label]:
    return {label for label in labels if label[2] == attribute}


def _row(name: str, pairs: list[tuple[set[Label], set[Label]]]) -> dict[str, Any]:
    labelled, found = (sum(len(both[side]) for both in pairs) for side in (0, 1))
    correct = sum(len(wanted & got) for wanted, got in pairs)
    return {
        "attribute": name,
        "labelled": labelled,
        "found": found,
        "correct": correct,
        "precision": correct / found if found else math.nan,
        "recall": correct / labelled if labelled else math.nan,
        "f1": 2 * correct / (labelled + found) if labelled + found else math.nan,
    }


def _found(find: Callable[[str], list[dict[str, Any]]], prompt: str) -> set[Label]:
    try:
        return {_label(span) for span in find(prompt)}
    except UserError:
        return set()


def _label(span: dict[str, Any]) -> Label:
    return int(span["start"]), int(span["end"]), str(span["attribute"]), str(span["value"])


def _read(path: Path) -> Iterator[tuple[str, set[Label]]]:
    """Every prompt of a file with its labels."""
    try:
        lines = re.split(r"\r\n|\r|\n", path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}); give a file with one JSON object a line") from error
    if not any(line.strip() for line in lines):
        raise UserError(f"{path} holds no prompt; write one JSON object a line")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _read_line(f"{path}, line {number}", line)


def _read_line(where: str, line: str) -> tuple[str, set[Label]]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: no JSON object ({error.msg})") from error
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str) or not isinstance(row.get("spans"), list):
        raise UserError(f"{where}: an object needs prompt (text) and spans (a list)")
    labels = set()
    for span in row["spans"]:
        if not isinstance(span, dict) or not span.keys() >= {*FIELDS}:
            raise UserError(f"{where}: a span needs {', '.join(FIELDS)}")
        labels.add(_checked(where, row["prompt"], span))
    return row["prompt"], labels


def _checked(where: str, prompt: str, span: dict[str, Any]) -> Label:
    start, end = span["start"], span["end"]
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(prompt)):
        raise UserError(f"{where}: the span {start}-{end} lies outside the prompt")
    if span.get("text", prompt[start:end]) != prompt[start:end]:
        raise UserError(f'{where}: the span {start}-{end} is "{prompt[start:end]}", not "{span["text"]}"')
    return _label(span)
