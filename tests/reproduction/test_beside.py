"""Our rows and the paper's stand in the same line, and none is lost."""

import pandas as pd
import pytest

from obclip_cli.reproduction.beside import KEYS, beside, paper_table


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_quoted_tables_have_methods_without_model_names_and_no_missing_accelerations(number: int) -> None:
    table = paper_table(number)
    assert {"cloud-only", "device-only"} <= set(table["method"])
    assert not table["method"].str.contains(r"\(").any() and table["acceleration"].notna().all()


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
    assert list(both["method"][:3]) == ["ObCLIP", "cloud-only", "ours alone"]
    assert len(both) == len(paper) + 1
    first = both.iloc[0]
    assert (first["fid"], first["fid_paper"]) == (2.0, 120.44)  # Table 2, N = 2, k = 5, + cache
    assert pd.isna(both.iloc[2]["fid_paper"])
    quoted = both[both["method"] == "HE-Diffusion"].iloc[0]
    assert quoted["cloud_latency_s_paper"] == ">1e6" and pd.isna(quoted["fid"])
