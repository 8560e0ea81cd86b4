"""Whose maps are shared at N = 30: every setting has its row, and the paper's is divided by what its pivot shows."""

from pathlib import Path

from tests.experiments.conftest import Reproduced


def test_settings_differ_and_the_papers_is_divided_by_its_pivot(reproduced: Reproduced, tmp_path: Path) -> None:
    reproduced = reproduced.elsewhere("pivots", tmp_path)
    table = reproduced.table("pivots").set_index("setting")
    pivots = {
        "no reuse": 0,
        "one pivot": 1,
        "a pivot a gender": 2,
        "a pivot a tone": 5,
        "a pivot a gender and tone": 10,
    }
    assert {name: int(table["pivots"][name]) for name in pivots} == pivots
    assert table.loc["cloud-only", "distance"] == 0 and table.loc["one pivot", "change"] == 0
    divided = table[table.index.str.startswith("pivot of")]
    for attribute in ("gender", "tone", "age"):
        assert divided["prompts"][divided.index.str.endswith(f" {attribute}")].sum() == table["prompts"]["one pivot"]
    (claim,) = reproduced.claims("pivots")
    assert claim.ours
