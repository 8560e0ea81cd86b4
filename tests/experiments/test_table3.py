"""`obclip reproduce table3` on a tiny random pair, and which of the paper's rows stand beside it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.table3 import claims, paper_rows
from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.datasets import captions
from tests.conftest import Run

Obclip = Callable[..., Run]
FILES = {"table3.csv", "table3.md", "table3.tex", "table3.png", "runs"}


def test_reproduce_counts_one_candidate_and_scores_all_rows(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "table3", "-o", str(tmp_path), *tiny_pair, "hybrid.steps=10", "dataset.limit=4")
    assert run.code == 0, run.err
    assert {path.name for path in tmp_path.iterdir()} == FILES
    table = pd.read_csv(tmp_path / "table3.csv").set_index("name")
    assert table["cloud_share"]["vanilla OG"] == 1 and table["cloud_share"]["ObCLIP, k=5"] == 0.5
    assert table["cloud_share"]["ObCLIP, k=5, cache"] < 0.5
    ours = table[table["cloud_share"].notna()]
    assert ours[["fid", "is", "clip", "cloud_seconds"]].notna().all(axis=None) and len(ours) == 9
    config = compose_config([*captions("mini", limit_on_mini=4), *tiny_pair, "hybrid.steps=10"])
    assert len(claims(config, tmp_path)) == 4


@pytest.mark.parametrize(("device", "fid", "cost"), [("bk-sdm-small", 15.73, 10.90), ("bk-sdm-tiny", 16.44, 10.25)])
def test_the_papers_rows_are_of_the_pairs_device(device: str, fid: float, cost: float) -> None:
    rows = paper_rows(device).set_index(["method", "k", "acceleration"])
    assert rows["fid"]["ObCLIP", 10, "cache"] == fid and rows["fid"]["cloud-only"].iloc[0] == 13.86
    alone = rows.loc["device-only"].iloc[0]
    assert (alone["device_tmac"], alone["cloud_tmac_per_candidate"], alone["cloud_share"]) == (cost, 0, 0)


@pytest.mark.parametrize("pair", ["sd14-bksdm-small", "sd14-bksdm-tiny"])
def test_a_pair_without_weights_fills_costs(obclip: Obclip, tmp_path: Path, pair: str) -> None:
    run = obclip("reproduce", "table3", "-o", str(tmp_path), "--pair", pair, "--leave-out")
    assert run.code == 0, run.err
    table = pd.read_csv(tmp_path / "table3.csv")
    both = table[["cloud_tmac_per_candidate", "cloud_tmac_per_candidate_paper"]].dropna()
    assert len(both) == 6 and ((both.iloc[:, 0] - both.iloc[:, 1]).abs() <= 0.01 * both.iloc[:, 1]).all()
    assert pair.removeprefix("sd14-bksdm-") in run.out and "fid" not in table
    config = compose_config([*captions(pair, limit_on_mini=4), f"pair={pair}"])
    assert [claim.verdict.word for claim in claims(config, tmp_path)] == [*[NOT_TESTABLE] * 3, HOLDS]
