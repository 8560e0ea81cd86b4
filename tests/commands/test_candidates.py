"""`obclip candidates` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
PROMPT = "a lady firefighter with pale skin"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    return f"privacy.secret_file={tmp_path / 'secret.key'}"


def test_all_candidates_are_sent_by_default(obclip: Obclip) -> None:
    run = obclip("candidates", PROMPT)
    assert run.code == 0 and run.err == ""
    for words in (
        "gender: female",
        "tone: light",
        "10 candidates",
        "10 of them sent",
        "a man firefighter with dark skin",
    ):
        assert words in run.out


def test_json_has_spans_candidates_sent_n_m_and_lambda(obclip: Obclip, secret: str) -> None:
    run = obclip("candidates", PROMPT, "privacy.lambda=0.1", secret, "--json")
    assert run.code == 0 and "made a client secret" in run.err
    facts = json.loads(run.out)
    assert facts["spans"] == [
        {"start": 2, "end": 6, "text": "lady", "attribute": "gender", "value": "female"},
        {"start": 24, "end": 33, "text": "pale skin", "attribute": "tone", "value": "light"},
    ]
    assert (facts["n"], facts["m"], facts["lambda"]) == (10, 5, 0.1)
    assert "a woman firefighter with light skin" in facts["sent"] and set(facts["sent"]) < set(facts["candidates"])
    again = obclip("candidates", "a  woman firefighter with light skin", "--lambda", "0.1", secret, "--json")
    assert again.err == "" and json.loads(again.out)["sent"] == facts["sent"]


def test_a_lost_secret_is_an_error_until_another_is_asked_for(obclip: Obclip, secret: str, tmp_path: Path) -> None:
    assert obclip("candidates", PROMPT, "privacy.lambda=0.1", secret).code == 0
    (tmp_path / "secret.key").unlink()
    for command in ("candidates", "generate"):
        assert_one_line_error(obclip(command, PROMPT, "privacy.lambda=0.1", secret), "is lost", "--new-secret")
    assert not (tmp_path / "secret.key").exists()
    assert obclip("candidates", PROMPT, "privacy.lambda=0.1", secret, "--new-secret").code == 0


def test_a_secret_that_is_there_is_not_lost_in_silence(obclip: Obclip, secret: str, tmp_path: Path) -> None:
    """Nor is another than the one that the configuration names touched."""
    other = f"privacy.secret_file={tmp_path / 'other.key'}"
    for named in (secret, other):
        assert obclip("candidates", PROMPT, "--lambda", "0.1", named).code == 0
    before = {path: path.read_text() for path in tmp_path.glob("*.key")}
    assert_one_line_error(obclip("candidates", PROMPT, other, "--new-secret"), "other.key", "move the file away")
    assert {path: path.read_text() for path in tmp_path.glob("*.key")} == before
    (tmp_path / "other.key").unlink()
    lost = obclip("candidates", PROMPT, "--lambda", "0.1", other)
    assert_one_line_error(lost, f"candidates PROMPT {other} --new-secret")
    assert_one_line_error(obclip("candidates", "", other, "--new-secret"), "prompt is empty")
    assert not (tmp_path / "other.key").exists()
    assert obclip("candidates", PROMPT, other, "--new-secret").code == 0
    assert (tmp_path / "secret.key").read_text() == before[tmp_path / "secret.key"]
    assert (tmp_path / "other.key").read_text() != before[tmp_path / "other.key"]


MARKUP = "a woman [film grain:0.8] [cat|dog] <lora:x:1> :smile: [/b] 狐 " + "far away " * 20


def test_candidates_are_printed_as_they_are_sent(obclip: Obclip, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither markup nor the width of the terminal nor its letters change them."""
    monkeypatch.setenv("COLUMNS", "40")
    sent = json.loads(obclip("candidates", MARKUP, "--json").out)["sent"]
    assert len(sent) == 2 and sent[1] == MARKUP.strip()
    assert obclip("candidates", MARKUP).out.splitlines()[-2:] == sent


def test_nothing_hidden_is_said_in_words(obclip: Obclip) -> None:
    run = obclip("candidates", "a bowl of fruit")
    assert "nothing is hidden" in run.out and "0:" not in run.out
    facts = json.loads(obclip("candidates", "a bowl of fruit", "--json").out)
    assert (facts["lambda"], facts["lambda_worst"], facts["reading"]["lambda"]) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["there is no prompt"]),
        ([" \t"], ["prompt is empty"]),
        (["x" * 10_000], ["10000 characters"]),
        (["a\x07man"], ["control characters"]),
        ([PROMPT, "privacy.lambda=0.91"], ["privacy.lambda=0.91", "0..0.9", "N = 10"]),
        ([PROMPT, "privacy.strategy=buckets"], ["buckets", "did you mean bucket"]),
    ],
)
def test_bad_input_is_one_line(obclip: Obclip, secret: str, arguments: list[str], words: list[str]) -> None:
    assert_one_line_error(obclip("candidates", *arguments, secret), *words)


@pytest.mark.parametrize("prompt", ["רופא עם a man אדום", "امرأة old woman تبتسم", "woman", "old woman, dark skin"])
def test_right_to_left_text_and_bare_attributes_are_prompts(obclip: Obclip, prompt: str) -> None:
    run = obclip("candidates", prompt, "--json")
    assert run.code == 0 and json.loads(run.out)["n"] > 1
