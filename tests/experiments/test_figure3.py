"""Figure 3: means over seeds, both orders compared within each, and its claims."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.figure3 import claims, differences, run, with_both_ends
from obclip_cli.compose import compose_config
from obclip_cli.diffusion.pairs import pair_names
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.contrast_claims import contrast_claims
from tests.experiments.conftest import Reproduced


def test_the_table_holds_means_over_the_runs_of_all_seeds(reproduced: Reproduced) -> None:
    table = reproduced.table("figure3").set_index(["order", "k"])
    points = (0, 2, 5, 7, 10, 12)
    assert list(table.index) == [(order, k) for order in ("server_first", "client_first") for k in points]
    folders = [block.run(reproduced.folder) for block in blocks_of(reproduced.config("figure3"))]
    assert len(folders) == 4 and all((folder / "images.png").exists() for folder in folders)
    means = sum(pd.read_csv(folder / "scores.csv").set_index("method")["fid"] for folder in folders) / 4
    assert table.loc[("client_first", 5), "fid"] == pytest.approx(means["client-first, k=5"], rel=1e-4)
    lead = means["server-first, k=5"] - means["client-first, k=5"]
    assert table.loc[("server_first", 5), "fid_difference"] == pytest.approx(lead, abs=1e-3)
    assert list(table.loc["server_first", "fid"].loc[[0, 12]]) == list(table.loc["client_first", "fid"].loc[[0, 12]])
    assert (
        table.loc[("server_first", 0), "fid_paper"] == 18.30 and table.loc[("server_first", 12), "fid_paper"] == 13.86
    )
    assert table.loc["client_first", "fid_paper"].isna().all()
    order, *slopes = reproduced.claims("figure3")
    assert (
        order.ours.count("server-first minus client-first") == 2 * len(["fid_cloud", "fid"])
        and [c.source for c in slopes] == ["Fig. 3 and Table 3"] * 2
    )


def _seed(lead: float, slope: float, noise: float) -> pd.DataFrame:
    """Scores of one seed: server-first's FID falls by `slope` a step and lies `lead` below client-first's."""
    rows = []
    for k in (0, 5, 10, 25):
        fid = 9 - slope * k + noise
        rows.append({"order": "server_first", "k": k, "fid": fid, "clip": 0.2 + slope * k / 100 + noise / 99})
        if k in (5, 10):
            rows.append({"order": "client_first", "k": k, "fid": fid + lead + noise / 9, "clip": 0.2})
    table = pd.DataFrame(rows).assign(cloud_tmac=1.0, device_tmac=1.0)
    ends = {f"{name}_{end}": 0.0 for name in ("fid", "clip") for end in ("low", "high")}
    return table.assign(cloud_share=table["k"] / 25, **ends)


@pytest.mark.parametrize(("slope", "word"), [(0.1, HOLDS), (-0.1, DOES_NOT_HOLD)])
def test_slopes_are_computed_from_what_was_stored(slope: float, word: str, tmp_path: Path) -> None:
    config = compose_config(["experiment=figure3"])
    for block, noise in zip(blocks_of(config), (-0.3, 0.0, 0.1, 0.2), strict=True):
        block.run(tmp_path).mkdir(parents=True)
        _seed(1.0, slope, noise).to_csv(block.run(tmp_path) / "scores.csv", index=False)
        pd.DataFrame({"seed": range(50)}).to_csv(block.run(tmp_path) / "results.csv", index=False)
    found = claims(config, tmp_path)
    assert [claim.verdict.word for claim in found] == [word, word]
    assert "200 prompts decide a difference of" in found[0].verdict.why
    assert found[0].paper == "18.3 at 0%, 16.55 at 20%, 15.65 at 40%, 13.86 at 100%"


def test_orders_are_compared_within_each_seed() -> None:
    """FIDs vary by 9 between seeds and the lead by 1: side by side the orders overlap, paired they do not."""
    tables = [_seed(2.0, 0.1, noise) for noise in (-4.5, 0.0, 4.5)]
    row = differences(tables).iloc[0]
    assert row["fid_difference"] == pytest.approx(-2, abs=1e-9) and row["fid_difference_high"] < 0
    whole = with_both_ends(tables).set_index(["order", "k"])
    assert whole.loc[("server_first", 5), "fid_high"] > whole.loc[("client_first", 5), "fid_low"]


@pytest.mark.parametrize("pair", [name for name in pair_names() if name != "mini"])
def test_without_weights_costs_are_there_and_nothing_is_claimed(pair: str, tmp_path: Path) -> None:
    config = compose_config(["experiment=figure3", f"pair={pair}"])
    text = run(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "figure3.csv")
    assert "Nothing was scored or timed: not whole on this machine" in text
    assert table["cloud_tmac"].is_monotonic_increasing or "client_first" in set(table["order"])
    assert table[["cloud_tmac", "device_tmac"]].notna().all(axis=None) and "fid" not in table
    assert (table["order"] == "server_first").all() == (pair == "lcmsdxl-koala")
    assert {claim.verdict.word for claim in [*contrast_claims(config, tmp_path), *claims(config, tmp_path)]} == {
        NOT_TESTABLE
    }
