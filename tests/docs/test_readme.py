"""Every command that the README prints, as it is printed, but for smaller numbers."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, assert_one_line_error

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [text for language, text in re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S) if not language]
LINES = [line.partition("  #")[0].rstrip() for block in BLOCKS for line in block.splitlines() if line.strip()]
OBCLIP = [line.split("  ")[0].partition("obclip ")[2] for line in LINES if line.startswith(".venv/bin/obclip")]
FEW_STEPS = ["hybrid.steps=4", "hybrid.switch_point=2"]
# What a line is run with so that it ends in seconds, beside a limit of two prompts.
SMALLER = {
    'generate "a woman firefighter with dark skin" cache=': ["hybrid.steps=12"],  # presets have a k of their own
    "generate": FEW_STEPS,
    "eval --limit": FEW_STEPS,
    "eval --dataset": ["hybrid.steps=10", "--limit", "2"],
    "attack --all": ["--scheme", "all", *FEW_STEPS],
    "sweep": ["hybrid.steps=10"],
    "profile --latency": ["--repeats", "1", "-N", "2"],
}
ANY_PAIR = ("sweep", "attack --all", "reproduce table3")  # run with a tiny one; the others take mini
SLOW = ("eval", "sweep", "attack --all", "profile --latency", "reproduce table3", "reproduce --pair")
LACKING = {  # what is downloaded first, and what is said without it
    "eval --dataset coco": "dataset.root",
    "models check sd14-bksdm-small": "obclip models pull",
}
ELSEWHERE = {  # a server and its device; downloads
    "serve": "tests/commands/test_serve.py",
    "--server": "tests/commands/test_serve.py",
    "models pull": "tests/commands/test_models.py",
    "profile --mpc": "tests/secure/test_parties.py",
}


def smaller(line: str) -> list[str]:
    words = shlex.split(re.sub(r"(limit[ =])\d+", r"\g<1>2", line))
    return words + next((more for start, more in SMALLER.items() if line.startswith(start)), [])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.slow] if line.startswith(SLOW) else [])
        for line in OBCLIP
        if not any(part in line for part in ELSEWHERE)
    ],
)
def test_every_obclip_line_runs(
    obclip: Callable[..., Run], line: str, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    labelled = '{"prompt": "an old man", "spans": [{"start": 3, "end": 6, "attribute": "age", "value": "old"}]}\n'
    (tmp_path / "labelled.jsonl").write_text(labelled)
    run = obclip(*smaller(line), *(tiny_pair if line.startswith(ANY_PAIR) else []))
    needed = next((words for start, words in LACKING.items() if line.startswith(start)), None)
    if needed is not None:
        assert_one_line_error(run, needed)
    elif "--leave-out" in line:  # what needs images is named at the end
        assert run.code == 2 and run.err.rstrip().endswith("the rest is finished"), run.err
    else:
        assert run.code == 0, run.err


def test_lines_that_are_run_elsewhere_are_there() -> None:
    assert all((ROOT / test).exists() and any(part in line for line in OBCLIP) for part, test in ELSEWHERE.items())
    assert len(OBCLIP) > 15


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make ")])
def test_every_make_line_is_a_target(line: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*shlex.split(line), "--dry-run", f"VENV={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
