"""The paper's rows: which stand beside a block, what is counted of them, and that no row of either is lost."""

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.reproduction.paper import KEYS, QUOTED, beside, paper_rows, paper_table


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_quoted_tables_have_methods_without_model_names_and_no_missing_accelerations(number: int) -> None:
    table = paper_table(number)
    assert {"cloud-only", "device-only"} <= set(table["method"])
    assert not table["method"].str.contains(r"\(").any() and table["acceleration"].notna().all()


def rows_of(name: str, pair: str, block: int = 0) -> pd.DataFrame:
    chosen = blocks_of(compose_config([f"experiment={name}", f"pair={pair}"]))[block]
    return paper_rows(chosen.paper, pair).set_index(KEYS)


@pytest.mark.parametrize(
    ("pair", "fid", "cost"),
    [("mini", 15.73, 10.90), ("sd14-bksdm-tiny", 16.44, 10.25), ("sd14-bksdm-small", 15.73, 10.90)],
)
def test_table_3_is_of_the_pairs_device_whose_cost_is_its_own(pair: str, fid: float, cost: float) -> None:
    rows = rows_of("table3", pair)
    assert rows["fid"]["ObCLIP", 10, "cache"] == fid and rows["fid"]["cloud-only"].iloc[0] == 13.86
    alone = rows.loc["device-only"].iloc[0]
    assert (alone["device_tmac"], alone["cloud_tmac_per_candidate"], alone["cloud_share"]) == (cost, 0, 0)


def test_relative_costs_of_table_2_are_of_what_is_printed() -> None:
    rows = rows_of("table2", "mini", block=1)["cloud_share"]
    assert rows["ObCLIP", 10, "cache+reuse"] == pytest.approx(33.28 / 18.53, abs=1e-4)
    assert rows["device-only"].iloc[0] == 0


def test_table_6_prints_no_costs_so_they_are_counted() -> None:
    rows = rows_of("table6", "mini")["cloud_share_counted"]
    assert rows["vanilla OG"].iloc[0] == pytest.approx(30)
    assert rows["ObCLIP", 5, ""] == pytest.approx(30 * 5 / 25)
    assert rows["ObCLIP", 5, "cache+reuse"] < rows["ObCLIP", 5, "cache"] < 6
    assert rows["device-only"].iloc[0] == 0 and rows[QUOTED].isna().all()


def test_the_quotation_is_marked_and_stands_once() -> None:
    for name in ("table2", "table3", "table6"):
        seconds = rows_of(name, "mini")["cloud_seconds"]
        assert seconds[QUOTED].to_list() == [">1e6"] and "HE-Diffusion" not in seconds


def test_every_row_of_either_is_there_ours_first() -> None:
    ours = pd.DataFrame(
        {
            "method": ["ObCLIP", "cloud-only", "ours alone"],
            "k": pd.array([5, None, 1], dtype="Int64"),
            "acceleration": ["cache", "", ""],
            "fid": [2.0, 1.0, 3.0],
        }
    )
    paper = paper_table(2).query("N == 2")
    both = beside(ours, paper, on=KEYS)
    assert list(both["method"][:3]) == ["ObCLIP", "cloud-only", "ours alone"] and len(both) == len(paper) + 1
    assert (both["fid"][0], both["fid_paper"][0]) == (2.0, 120.44)  # Table 2, N = 2, k = 5, + cache
    assert pd.isna(both["fid_paper"][2])
