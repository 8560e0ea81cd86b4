"""`obclip attack` as a user types it, on a tiny random pair."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Run, assert_one_line_error, read_only

Obclip = Callable[..., Run]


def test_one_attack_on_two_schemes(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    arguments = ["attack", "position", "--scheme", "own-first", "--scheme", "all", "-o", str(tmp_path), *tiny_pair]
    run = obclip(*arguments, "hybrid.steps=4", "hybrid.switch_point=1", "--json")
    assert run.code == 0, run.err
    rows = {row["scheme"]: row for row in json.loads(run.out)}
    assert (rows["own-first"]["verdict"], rows["all"]["verdict"]) == ("LEAK", "within the bound")
    assert rows["own-first"]["planted_for"] == "position" and rows["all"]["success"] == pytest.approx(0.1)
    names = {"config.yaml", "environment.json", "scores.csv", "own-first", "all"}
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == names
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 2
    small = ["hybrid.steps=4", "hybrid.switch_point=1", "--json"]
    with read_only(tmp_path):  # what is finished is shown from there; what is not is refused
        assert obclip(*arguments, *small).out == run.out
        assert_one_line_error(obclip(*arguments, *small, "--scheme", "bucket"), "Read-only file system", "-o")
    assert_one_line_error(obclip(*arguments, *small, "seed=1"), "seed=0, not 1", "-o")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["name one attack", "--all"]),
        (["prior", "--all"], ["--all"]),
        (["positions"], ["positions", "did you mean position"]),
        (["prior", "--scheme", "own-frist"], ["own-frist", "did you mean own-first"]),
        (["prior", "--file", "x.jsonl"], ["--file", "detection"]),
        (["context", "--corpus", "/nowhere.txt"], ["/nowhere.txt"]),
        (["prior", "privacy.lambda=2"], ["privacy.lambda=2"]),
        (["prior", "privacy.lambda=0.95"], ["0..0.9"]),
    ],
)
def test_bad_input_is_one_line(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    assert_one_line_error(obclip("attack", *arguments, *tiny_pair, "-o", str(tmp_path / "out")), *words)


def test_detection_scores_a_labelled_file(obclip: Obclip, tmp_path: Path) -> None:
    span = {"start": 2, "end": 7, "text": "woman", "attribute": "gender", "value": "female"}
    (tmp_path / "labelled.jsonl").write_text(json.dumps({"prompt": "a woman cook", "spans": [span]}) + "\n")
    run = obclip("attack", "detection", "--file", str(tmp_path / "labelled.jsonl"), "--json")
    assert run.code == 0, run.err
    assert {row["attribute"]: row["f1"] for row in json.loads(run.out)} == {"gender": 1.0, "all": 1.0}
    assert_one_line_error(obclip("attack", "detection"), "--file")
    labelled = ("detection", "--file", str(tmp_path / "labelled.jsonl"), "--taxonomy")
    assert_one_line_error(obclip("attack", *labelled, "papers"), "did you mean paper")


def test_detection_is_by_the_papers_taxonomy_unless_another_is_named(obclip: Obclip, tmp_path: Path) -> None:
    spans = [
        {"start": 3, "end": 10, "text": "elderly", "attribute": "age", "value": "old"},
        {"start": 11, "end": 19, "text": "Nigerian", "attribute": "ethnicity", "value": "african"},
    ]
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(json.dumps({"prompt": "an elderly Nigerian cook", "spans": spans}) + "\n")
    found = {}
    for more in ([], ["--taxonomy", "emoji"]):
        run = obclip("attack", "detection", "--file", str(labelled), "--json", *more)
        found[tuple(more)] = {row["attribute"]: row["f1"] for row in json.loads(run.out)}
    assert found[()] == {"age": 1.0, "ethnicity": 1.0, "all": 1.0}
    assert found["--taxonomy", "emoji"]["ethnicity"] == 0.0
    assert_one_line_error(obclip("attack", "detection", "--file", "/nowhere.jsonl"), "/nowhere.jsonl")
