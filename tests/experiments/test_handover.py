"""The hand-over ablation: what it runs and what it concludes."""

import pandas as pd
import pytest
import torch

from experiments.handover import CLOUD_ONLY, distances_to_cloud, finding, methods


def test_both_ways_at_every_switch_point_before_the_end() -> None:
    assert [(m.switch_point, m.handover) for m in methods(10)] == [(10, "restart"), (5, "restart"), (5, "history")]


def test_psnr_is_the_mean_over_images_by_hand() -> None:
    """PSNR = 10 log10(255^2 / mean squared error); errors of 1 and 10 everywhere give 48.13 and 28.13 dB."""
    target = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    other = torch.stack([target[0] + 1, target[1] + 10])
    table = distances_to_cloud({CLOUD_ONLY: target, "other": other}).set_index("method")
    assert table.loc["other", "psnr_to_cloud"] == pytest.approx((48.1308 + 28.1308) / 2, abs=1e-3)


@pytest.mark.parametrize(("history", "wins"), [(1.0, "1 of 1"), (3.0, "0 of 1")])
def test_the_finding_is_computed(history: float, wins: str) -> None:
    rows = [("restart", 5, 2.0, 20.0), ("history", 5, history, 21.0)]
    table = pd.DataFrame(rows, columns=["handover", "k", "fid", "psnr_to_cloud"])
    assert f"lower FID at {wins} switch points" in finding(table)
    assert "PSNR to cloud-only +1.00 dB" in finding(table)
