"""The hand-over ablation: history against restart, and distances to the cloud's own images."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.handover import AGAINST, distances_to_cloud, run
from obclip_cli.compose import compose_config
from tests.experiments.conftest import Reproduced


def test_psnr_is_the_mean_over_images_by_hand() -> None:
    """PSNR = 10 log10(255^2 / mean squared error); errors of 1 and 10 everywhere give 48.13 and 28.13 dB."""
    target = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    other = torch.stack([target[0] + 1, target[1] + 10])
    table = distances_to_cloud({"cloud-only": target, "other": other}).set_index("method")
    assert table.loc["other", "psnr_to_cloud"] == pytest.approx((48.1308 + 28.1308) / 2, abs=1e-3)


def test_history_is_paired_with_restart(reproduced: Reproduced) -> None:
    table = reproduced.table("handover").set_index("method")
    gap = table.loc["history, k=5", "fid"] - table.loc["restart, k=5", "fid"]
    rounding = 1e-4 * table["fid"].max()  # of two scores to five digits
    assert table.loc["history, k=5", AGAINST] == pytest.approx(gap, abs=rounding)
    assert table.loc["history, k=5", "bytes_down"] == 2 * table.loc["restart, k=5", "bytes_down"] == 2 * 4 * 8 * 8 * 4
    assert pd.isna(table.loc["cloud-only", "psnr_to_cloud"]) and table.loc["device-only", "cloud_tmac"] == 0


@pytest.mark.parametrize("pair", ["sd14-bksdm-small", "lcmsdxl-koala"])
def test_without_weights_costs_are_there(pair: str, tmp_path: Path) -> None:
    config = compose_config([f"pair={pair}", "experiment=handover"])
    assert "Nothing was scored" in run(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "handover.csv")
    assert (table["cloud_tmac"] + table["device_tmac"] > 0).all() and "fid" not in table
    assert ("history" in set(table["handover"])) == (pair != "lcmsdxl-koala")
