"""Tables in terminals, files and pipes: nothing is cut, and words of users stay words."""

import re
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.report.tables import print_table, show_table
from obclip_cli.runs import read_table

LONG = "ObCLIP, k=10, cache+reuse, with a name that is longer than a terminal of eighty columns, and then some more"
WORDS = ["[/b]", "[red]a man[/red]", ":smile:", "<lora:x:1>", "None", "NA", "1e5", "007", "null", "😀 a man"]


@pytest.fixture
def scores() -> pd.DataFrame:
    columns = {f"a_score_of_many_{place}": [1.25 + place, 1000.5] for place in range(12)}
    return pd.DataFrame({"method": [LONG, "cloud-only"], **columns, "fid": 3.0, "fid_low": 2.0, "fid_high": 4.0})


def test_a_pipe_gets_every_row_whole_and_on_one_line(scores: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    show_table(scores, "caption " * 40)
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if LONG in line]
    assert all(f"{1.25 + place:g}" in row for place in range(12)) and "±1" in row and "caption " * 39 in lines[0]


def test_a_terminal_gets_parts_that_fit_and_cut_nothing(
    scores: pd.DataFrame, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    show_table(scores, "caption")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(len(line) for line in lines) <= 80 and "…" not in "".join(lines)
    letters = re.sub(r"\W", "", "".join(line.split("│")[1] for line in lines if line.count("│") > 1))
    assert re.sub(r"\W", "", LONG) in letters
    assert all(any(f"a_score_of_many_{place} " in line for line in lines) for place in range(12))


def test_words_of_users_are_no_markup_and_no_numbers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = pd.DataFrame({"method": WORDS, "prompt": WORDS, "clip": [0.5, None] * 5})
    print_table(table.map(str), title=" ".join(WORDS), keys=["method"])
    out = capsys.readouterr().out
    assert " ".join(WORDS) in out and all(out.count(word) >= 3 for word in WORDS)
    path = tmp_path / "results.csv"
    table.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_table(path), table)
