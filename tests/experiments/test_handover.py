"""The hand-over ablation: what it runs and what it concludes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.handover import AGAINST, CLOUD_ONLY, distances_to_cloud, finding, methods, overrides
from experiments.handover import run as run_experiment
from obclip_cli.compose import compose_config
from tests.conftest import Run


def test_both_ways_at_every_switch_point_before_the_end() -> None:
    found = [(m.switch_point, m.handover) for m in methods(compose_config(["hybrid.steps=10"]))]
    assert found == [(10, "restart"), (0, "restart"), (5, "restart"), (5, "history")]


def test_psnr_is_the_mean_over_images_by_hand() -> None:
    """PSNR = 10 log10(255^2 / mean squared error); errors of 1 and 10 everywhere give 48.13 and 28.13 dB."""
    target = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    other = torch.stack([target[0] + 1, target[1] + 10])
    table = distances_to_cloud({CLOUD_ONLY: target, "other": other}).set_index("method")
    assert table.loc["other", "psnr_to_cloud"] == pytest.approx((48.1308 + 28.1308) / 2, abs=1e-3)


@pytest.mark.parametrize(("change", "told"), [(-1.0, "lower FID at 1 of 2"), (1.0, "and the higher at 1;")])
def test_the_finding_is_computed(change: float, told: str) -> None:
    rows = [("restart", 5, None, 20.0), ("history", 5, change, 21.0), ("restart", 10, None, 9.0), ("history", 10, 0, 8)]
    table = pd.DataFrame(rows, columns=["handover", "k", AGAINST, "psnr_to_cloud"])
    table = table.assign(**{f"{AGAINST}_low": table[AGAINST] - 0.5, f"{AGAINST}_high": table[AGAINST] + 0.5})
    text = finding(table.astype({AGAINST: float}))
    assert told in text
    assert "PSNR to cloud-only +1.00 dB" in text and "PSNR to cloud-only -1.00 dB" in text


def test_reproduce_pairs_history_with_restart(obclip: Callable[..., Run], tiny_pair: list[str], tmp_path: Path) -> None:
    fast = ["hybrid.steps=6", "hybrid.switch_point=1", "dataset.limit=3"]
    run = obclip("reproduce", "handover", "-o", str(tmp_path), *tiny_pair, *fast)
    assert run.code == 0, run.err
    table = pd.read_csv(tmp_path / "handover.csv").set_index("method")
    gap = table.loc["history, k=5", "fid"] - table.loc["restart, k=5", "fid"]
    assert table.loc["history, k=5", AGAINST] == pytest.approx(gap, abs=1e-3)
    assert table.loc["history, k=5", "bytes_down"] == 2 * table.loc["restart, k=5", "bytes_down"] == 2 * 4 * 8 * 8 * 4
    assert pd.isna(table.loc[CLOUD_ONLY, "psnr_to_cloud"]) and table.loc["device-only", "cloud_tmac"] == 0


@pytest.mark.parametrize("pair", ["sd14-bksdm-small", "lcmsdxl-koala"])
def test_without_weights_costs_are_there(pair: str, tmp_path: Path) -> None:
    config = compose_config([f"pair={pair}", *overrides(pair)])
    assert "Nothing was scored" in run_experiment(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "handover.csv")
    assert (table["cloud_tmac"] + table["device_tmac"] > 0).all() and "fid" not in table
    assert ("history" in set(table["handover"])) == (pair != "lcmsdxl-koala")
