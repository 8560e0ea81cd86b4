"""`obclip reproduce table6` on a tiny random pair, and whether N = 30 works as well as fewer."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.table6 import as_well_as_fewer, claims, independent
from obclip_cli.compose import compose_config
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.datasets import portraits
from tests.conftest import Run
from tests.reproduction.hand_made import FIDS, hand_made_block

Obclip = Callable[..., Run]
REUSE = "ObCLIP, k=10, cache+reuse"


def test_reproduce_writes_thirty_candidates_beside_the_papers(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    fast = ["hybrid.steps=5", "hybrid.switch_point=5", "dataset.limit=2"]  # which leaves out k=10
    run = obclip("reproduce", "table6", "-o", str(tmp_path), *tiny_pair, *fast)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"table6.csv", "table6.md", "table6.tex", "table6.png", "runs"}
    table = pd.read_csv(tmp_path / "table6.csv").set_index("name")
    assert table.loc["vanilla OG", ["N", "cloud_share", "cloud_share_counted_paper"]].tolist() == [30, 30, 30]
    shared = table.loc["ObCLIP, k=5, cache+reuse"]
    assert shared["fid_paper"] == 113.30 and shared[["fid", "clip", "gender", "tone"]].notna().all()
    assert pd.isna(table.loc["Hybrid SD, k=5", "fid_paper"])  # which its table leaves out
    config = compose_config(
        [*portraits("mini", 3, limit_on_mini=2), *tiny_pair, "hybrid.steps=5", "hybrid.switch_point=5"]
    )
    found = claims(config, tmp_path)
    assert len(found) == 6 and "Table 2" in found[-1].verdict.why


@pytest.mark.parametrize(("fid", "word"), [(12.6, HOLDS), (14.0, HOLDS), (18.0, DOES_NOT_HOLD), (14.6, NOT_TESTABLE)])
def test_thirty_may_rise_a_fifth_of_the_gap_beyond_fewer(tmp_path: Path, fid: float, word: str) -> None:
    """With fewer candidates FID rises by 2.6; a fifth of the gap of 10 is 2."""
    smaller = hand_made_block(tmp_path / "fewer", label="N=6")
    larger = hand_made_block(tmp_path / "thirty", fids=FIDS | {REUSE: fid}, label="N=30")
    claim = as_well_as_fewer(compose_config(), smaller, larger)
    assert claim.verdict.word == word
    assert "N=6, k=10: -3.63; N=30, k=10: -1.65" in claim.paper


def test_variances_of_different_prompts_add() -> None:
    """Half widths of 3 and 4 make 5."""
    found = independent(Estimate(10, 7, 13), Estimate(4, 0, 8))
    assert (found.value, found.low, found.high) == pytest.approx((6, 1, 11))
