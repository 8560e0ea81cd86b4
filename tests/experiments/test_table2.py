"""`obclip reproduce table2` on a tiny random pair, and its claim on seconds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.table2 import IN_TURN, SECONDS, as_cheap_as_hybrid, claims
from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.datasets import portraits
from tests.conftest import Run, assert_one_line_error
from tests.reproduction.hand_made import hand_made_block

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=5", "hybrid.switch_point=5", "dataset.limit=3"]  # which leaves out k=10


def test_reproduce_writes_both_blocks_and_the_claims_read_them(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "table2", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"table2.csv", "table2.md", "table2.tex", "table2.png", "runs"}
    table = pd.read_csv(tmp_path / "table2.csv")
    assert table.groupby("attributes")["N"].max().to_dict() == {1: 2, 2: 10}
    assert table.groupby("attributes")["N_paper"].max().to_dict() == {1: 2, 2: 6}
    vanilla = table[table["method"] == "vanilla OG"].set_index("attributes")
    assert vanilla["cloud_share"].to_dict() == {1: 2, 2: 10} and vanilla["cloud_tmac_paper"].to_list() == [
        37.06,
        111.18,
    ]
    measured = table[table["cloud_share"].notna()]
    assert measured[["fid", "is", "clip", "gender", "cloud_seconds"]].notna().all(axis=None)
    assert table["method"].eq("HE-Diffusion (quoted)").sum() == 2
    folders = {path.name: path for path in (tmp_path / "runs").iterdir()}
    assert set(table["run_folder"]) == set(folders) and all(name in run.out for name in folders)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.csv")}
    assert any(path.parent.name == IN_TURN for path in stamps)

    assert obclip("reproduce", "table2", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps  # finished runs are not made again
    config = compose_config(
        [*portraits("mini", 1, limit_on_mini=3), *tiny_pair, "hybrid.steps=5", "hybrid.switch_point=5"]
    )
    found = claims(config, tmp_path)
    assert len(found) == 7 and all(claim.paper and claim.ours and claim.verdict.why for claim in found)


def test_a_pair_without_weights_fills_costs_and_says_why(obclip: Obclip, tmp_path: Path) -> None:
    run = obclip("reproduce", "table2", "-o", str(tmp_path), "--pair", "rv4-smallsd", "--leave-out")
    assert run.code == 0, run.err
    table = pd.read_csv(tmp_path / "table2.csv")
    ours, paper = table["cloud_tmac"], table["cloud_tmac_paper"]
    known = ours.notna() & (ours > 0) & table["acceleration"].isna()
    assert known.sum() == 12 and (ours[known] / paper[known] - 1).abs().max() < 0.01
    assert "fid" not in table and "models pull rv4-smallsd" in (tmp_path / "table2.md").read_text()
    config = compose_config([*portraits("rv4-smallsd", 1, limit_on_mini=3), "pair=rv4-smallsd"])
    words = [claim.verdict.word for claim in claims(config, tmp_path)]
    assert words == [*[NOT_TESTABLE] * 5, HOLDS, NOT_TESTABLE]  # only the counted one can be tested


def test_captions_cannot_stand_for_templates(obclip: Obclip, tmp_path: Path) -> None:
    assert_one_line_error(obclip("reproduce", "table2", "-o", str(tmp_path), "dataset=emoji"), "dataset.attributes")


@pytest.mark.parametrize(
    ("seconds", "word"),
    [((1.02, 1.04, 1.03), HOLDS), ((1.3, 1.4, 1.35), DOES_NOT_HOLD), ((1.0, 1.3, 1.05), NOT_TESTABLE)],
)
def test_a_tenth_dearer_in_seconds_is_the_limit(tmp_path: Path, seconds: tuple[float, ...], word: str) -> None:
    block = hand_made_block(tmp_path / "run")
    (block.run / IN_TURN).mkdir()
    both = {"Hybrid SD, k=10": [1.0] * len(seconds), "ObCLIP, k=10, cache+reuse": seconds}
    rows = [(part, place, value) for part, found in both.items() for place, value in enumerate(found)]
    times = pd.DataFrame(rows, columns=["part", "round", "seconds"])
    times.to_csv(block.run / IN_TURN / SECONDS, index=False)
    claim = as_cheap_as_hybrid(compose_config(), block)
    assert claim.verdict.word == word
    assert "0.62 against 0.4 T" in claim.ours and "11.47 against 7.4 T" in claim.paper


def test_without_times_nothing_is_said_about_seconds(tmp_path: Path) -> None:
    block = replace(hand_made_block(tmp_path / "run"), label="N=2")
    assert as_cheap_as_hybrid(compose_config(), block).verdict.word == NOT_TESTABLE
