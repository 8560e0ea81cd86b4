"""`obclip reproduce table5` on a tiny random pair, and what it concludes."""

from pathlib import Path

import pandas as pd
import pytest

import experiments.table5 as table5
from obclip_cli.compose import compose_config
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED
from tests.experiments.conftest import Reproduced


def test_eight_models_are_counted_and_the_pairs_two_scored_and_timed(reproduced: Reproduced) -> None:
    table = reproduced.table("table5").set_index("model")
    assert len(table) == 10 and table["params_m"].notna().all()
    assert (table["tmac_batch4"] / table["tmac_batch4_paper"] - 1).abs().max() < 0.01
    own = table.loc[["mini-cloud", "mini-device"]]
    assert own[["fid", "clip", "latency_batch4_s"]].notna().all(axis=None) and own["fid_paper"].isna().all()
    assert (own["latency_batch4_s_low"] <= own["latency_batch4_s"]).all()
    (claim,) = reproduced.claims("table5")
    assert "FID" in claim.verdict.why
    assert "small-sd against realistic-vision-v4.0: tmac_batch4 x0.605, FID -1.62" in claim.paper


def test_a_pair_of_the_paper_has_its_rows_and_no_others() -> None:
    config = compose_config(["experiment=table5", "pair=rv4-smallsd"])
    assert table5.names_of(config) == {"cloud-only": "realistic-vision-v4.0", "device-only": "small-sd"}
    assert len(table5.counts(config)) == 8


def test_koala_s_and_lcm_s_parameter_counts_are_the_papers_swapped() -> None:
    """What the caption says: to the paper's two models ours fit crosswise, to 1 %."""
    ours = table5.counts(compose_config(["experiment=table5", "pair=sdxl-koala"])).set_index("model")["params_m"]
    paper = table5.paper_table(5).set_index("model")["params_m"]
    assert ours["koala-700m"] == pytest.approx(paper["lcm-sdxl"], rel=0.01)
    assert ours["lcm-sdxl"] == pytest.approx(paper["koala-700m"], rel=0.01)


@pytest.mark.parametrize(
    ("gap", "share", "word"),
    [
        (Estimate(2, 1, 3), 0.5, HOLDS),
        (Estimate(-2, -3, -1), 0.5, DOES_NOT_HOLD),
        (Estimate(1, -1, 3), 0.5, NOT_DECIDED),
        (Estimate(2, 1, 3), 1.5, DOES_NOT_HOLD),
    ],
)
def test_cheaper_and_worse_are_both_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gap: Estimate, share: float, word: str
) -> None:
    config = compose_config(["experiment=table5"])
    rows = {"model": ["mini-cloud", "mini-device"], "params_m": [10.0, 1.0], "tmac_batch4": [1.0, share]}
    pd.DataFrame(rows).to_csv(tmp_path / "table5.csv")
    run = table5.blocks_of(config)[0].run(tmp_path)
    run.mkdir(parents=True)
    (run / "scores.csv").touch()
    monkeypatch.setattr(table5, "difference", lambda *_: gap)
    (claim,) = table5.claims(config, tmp_path)
    assert claim.verdict.word == word
