"""What the cells of the paper's FLOPs columns prove."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.figure12 import claims
from obclip_cli.compose import compose_config

ROWS = "sd-v1.4+bk-sdm-small {} k=5 N=6"
ONE, SIX = ROWS.format("cloud-only"), ROWS.format("ObCLIP+cache+reuse")


def _cells(ours_six: float, as_printed: float | None) -> pd.DataFrame:
    rows = [
        (7, ONE, 18.53, 18.51, -0.001, None),
        (7, SIX, 16.64, ours_six, ours_six / 16.64 - 1, None),
        (2, "mislabelled", 12.26, 11.68, -0.047, as_printed),
    ]
    return pd.DataFrame(rows, columns=["table", "row", "paper", "ours", "difference", "as_printed"])


@pytest.mark.parametrize(
    ("ours_six", "as_printed", "words"),
    [
        (16.66, 12.25, ["does not hold", "holds", "holds"]),
        (16.66, None, ["does not hold", "does not hold", "holds"]),
        (19.0, 12.25, ["does not hold", "does not hold", "does not hold"]),
    ],
)
def test_claims_are_computed_from_the_cells(
    ours_six: float, as_printed: float | None, words: list[str], tmp_path: Path
) -> None:
    _cells(ours_six, as_printed).to_csv(tmp_path / "paper_costs.csv", index=False)
    found = claims(compose_config(["experiment=figure12"]), tmp_path)
    assert [claim.verdict.word for claim in found] == words
    assert found[2].paper == "16.64 T against 18.53 T"
    assert "mislabelled" in found[1].verdict.why or as_printed is not None


def test_cells_that_all_agree_hold(tmp_path: Path) -> None:
    _cells(16.66, None).iloc[:2].to_csv(tmp_path / "paper_costs.csv", index=False)
    assert [claim.verdict.word for claim in claims(compose_config(["experiment=figure12"]), tmp_path)] == ["holds"] * 3
