"""How many threads a command computes with, and that what is typed wins."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from obclip_cli import threads
from obclip_cli.errors import UserError


@pytest.mark.parametrize(
    ("typed", "found", "left"),
    [
        (["obclip", "eval", "--threads", "3", "-k", "5"], 3, ["obclip", "eval", "-k", "5"]),
        (["obclip", "--threads=12", "eval"], 12, ["obclip", "eval"]),
        (["obclip", "eval"], None, ["obclip", "eval"]),
        (["obclip", "generate", "--", "--threads"], None, ["obclip", "generate", "--", "--threads"]),
    ],
)
def test_the_option_may_stand_anywhere(typed: list[str], found: int | None, left: list[str]) -> None:
    assert threads.asked_for(typed) == found and typed == left


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "100000", ""])
def test_no_number_of_threads_is_refused(value: str) -> None:
    with pytest.raises(UserError, match="--threads 2"):
        threads.asked_for(["obclip", "eval", "--threads", value])


@pytest.mark.parametrize(
    ("load", "running", "idle"),
    [
        (0.0, 1, 8),
        (5.2, 6, 3),
        (20.0, 30, 1),
        (7.0, 1, 8),  # what kept the machine busy has ended
        (0.2, 9, 8),  # what keeps it busy has just begun, or ends at once
    ],
)
def test_idle_cores_are_those_that_are_not_busy_now_and_were_not_before(
    monkeypatch: pytest.MonkeyPatch, load: float, running: int, idle: int
) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(Path, "read_text", lambda self: f"{load} 0.0 0.0 {running}/200 1234")
    assert threads.idle_cores() == idle


def test_what_is_typed_wins_over_the_environment_and_that_over_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "idle_cores", lambda: 1)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.setattr(threads, "sys", SimpleNamespace(modules={}))
    for asked, before, after, told in ((3, "5", "3", False), (None, "5", "5", False), (None, "", "1", True)):
        monkeypatch.setenv(threads.VARIABLE, before)
        assert ("--threads" in (threads.choose(asked) or "")) is told
        assert os.environ[threads.VARIABLE] == after
    assert threads.in_words() == "1 thread of 2 cores"
    assert "torch" in sys.modules  # in this process, whose number of threads nobody has changed
