"""Precision, recall and F1 of exact spans, and what is wrong with a file of labels."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from obclip_cli.errors import UserError
from obclip_cli.metrics.detection import detection_scores


def span(start: int, end: int, attribute: str, value: str) -> dict[str, Any]:
    return {"start": start, "end": end, "attribute": attribute, "value": value}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def by_attribute(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("attribute")


def test_scores_are_counted_by_attribute_and_over_all(tmp_path: Path) -> None:
    """2 of 3 labels are found, with one more that is wrong: precision 2/3, recall 2/3 over all."""
    old_man = {"prompt": "an old man", "spans": [span(3, 6, "age", "old"), span(7, 10, "gender", "male")]}
    path = write(tmp_path / "labels.jsonl", old_man, {"prompt": "a boy", "spans": [span(2, 5, "gender", "male")]})
    answers = {
        "an old man": [span(3, 6, "age", "young"), span(7, 10, "gender", "male")],
        "a boy": [span(2, 5, "gender", "male")],
    }
    table = by_attribute(detection_scores(path, answers.__getitem__))
    assert list(table.index) == ["age", "gender", "all"]
    assert table.loc["age", ["labelled", "found", "correct"]].tolist() == [1, 1, 0]
    assert table.loc["gender", ["precision", "recall", "f1"]].tolist() == [1.0, 1.0, 1.0]
    assert table.loc["all", "precision"] == table.loc["all", "recall"] == pytest.approx(2 / 3)


def test_a_refused_prompt_counts_as_nothing_found(tmp_path: Path) -> None:
    def refuse(prompt: str) -> list[dict[str, Any]]:
        raise UserError(prompt)

    path = write(tmp_path / "labels.jsonl", {"prompt": "a boy", "spans": [span(2, 5, "gender", "male")]})
    table = by_attribute(detection_scores(path, refuse))
    assert table.loc["all", "recall"] == 0 and math.isnan(table.loc["all", "precision"])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("no json", "line 2: no JSON object"),
        ('{"prompt": "a boy"}', "line 2: an object needs prompt"),
        ('{"prompt": "a boy", "spans": [{"start": 2}]}', "line 2: a span needs start, end, attribute, value"),
        (json.dumps({"prompt": "a boy", "spans": [span(2, 9, "gender", "male")]}), "line 2: the span 2-9 lies outside"),
        (
            json.dumps({"prompt": "a boy", "spans": [{**span(2, 5, "gender", "male"), "text": "man"}]}),
            'line 2: the span 2-5 is "boy", not "man"',
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "a dog", "spans": []}\n' + row + "\n")
    with pytest.raises(UserError, match=words):
        detection_scores(path, lambda prompt: [])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "latin.jsonl").write_bytes(b"\xff\xfe\xff")
    for name, words in [("none.jsonl", "cannot read"), ("latin.jsonl", "cannot read"), ("empty.jsonl", "no prompt")]:
        with pytest.raises(UserError, match=words):
            detection_scores(tmp_path / name, lambda prompt: [])
