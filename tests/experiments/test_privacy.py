"""The privacy experiment on a tiny random pair, and what it concludes."""

from pathlib import Path

import pandas as pd
import pytest

from experiments import privacy
from obclip_cli.attacks import ATTACKS
from obclip_cli.compose import compose_config
from tests.experiments.conftest import Reproduced


def test_planted_leaks_are_caught_and_what_is_promised_is_kept(reproduced: Reproduced) -> None:
    folder = privacy.run_of(reproduced.config("privacy"), reproduced.folder)
    assert folder.name in (reproduced.folder / "privacy.md").read_text()
    scores = pd.read_csv(folder / "scores.csv")
    matrix = reproduced.table("privacy").set_index("scheme")
    assert matrix.loc["own-first", "position"] == "100.0*" and str(matrix.loc["all", "position"]) == "10.0"
    planted = scores[scores["planted_for"] == scores["attack"]]
    assert list(planted["verdict"]).count("LEAK") > 3  # all of them, with more users: tests/attacks/test_leaks.py
    requests = scores[scores["scheme"].isin(("all", "bucket")) & (scores["attack"] != "published-image")]
    assert set(requests["verdict"]) <= {"within the bound", "not applicable"}
    tried = scores[scores["prompts"] > 0].groupby("attack")["scheme"].unique()
    assert {*ATTACKS} - {"names"} <= {*tried.index}  # no column is empty; the templates name nobody
    words = [claim.verdict.word for claim in reproduced.claims("privacy")]
    assert words[:2] == ["holds", "holds"]  # Theorem 1 and blocks do not depend on the weights


def test_costs_fall_with_lambda_and_fresh_draws_add_up(reproduced: Reproduced) -> None:
    folder = privacy.run_of(reproduced.config("privacy"), reproduced.folder)
    sweep = pd.read_csv(folder / "lambda.csv").set_index(["strategy", "lambda"])
    assert sweep.loc[("bucket", 0.1), "cost_share"] == 0.5 and sweep.loc[("bucket", 0.9), "cost_share"] == 0.1
    assert sweep.loc["bucket"]["own_is_sent"].min() == 1 > sweep.loc[("dp", 0.1), "own_is_sent"]
    queries = pd.read_csv(folder / "queries.csv").set_index(["strategy", "prompts", "queries"])
    assert queries.loc[("fresh", "the same", 3), "success"] > queries.loc[("fresh", "the same", 1), "success"]


LEAKING, KEPT = (0.5, 0.4, 0.6, "LEAK"), (0.1, 0.05, 0.16, "within the bound")


def _attacked(scheme: str, one: tuple[float, float, float, str]) -> list[dict[str, object]]:
    """Two attacks, the first of which always keeps the bound, and one that does not apply."""
    tried = [("prior", 160, *KEPT), ("context", 160, *one), ("timing", 0, None, None, None, "not applicable")]
    names = ["attack", "prompts", "success", "low", "high", "verdict"]
    return [dict(zip(names, row, strict=True)) | {"scheme": scheme, "bound": 0.1} for row in tried]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        # By less than the smallest λ tried, 0.1, no control leaks.
        (KEPT, ["holds", "holds", "does not hold", "does not hold"]),
        ((0.15, 0.06, 0.25, "within the bound"), ["does not hold", "holds", "not decided here", "not decided here"]),
        (LEAKING, ["does not hold", "does not hold", "holds", "holds"]),
        # Less than 1/N is as much against Theorem 1 as more, and keeps the bound of blocks.
        ((0.02, 0.0, 0.15, "within the bound"), ["does not hold", "holds", "does not hold", "does not hold"]),
    ],
)
def test_claims_are_computed_from_the_scores(
    second: tuple[float, float, float, str], words: list[str], tmp_path: Path
) -> None:
    config = compose_config(["experiment=privacy"])
    folder = privacy.run_of(config, tmp_path)
    folder.mkdir(parents=True)
    rows = [row for scheme in ("all", "bucket", "replacement", "word-dp") for row in _attacked(scheme, second)]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    claims = privacy.claims(config, tmp_path)
    assert [claim.verdict.word for claim in claims] == words
    assert claims[0].source == "Theorem 1" and claims[1].source.startswith("our promise")


def test_attacks_on_a_part_of_the_candidates_need_only_an_interval_that_holds_1_over_n() -> None:
    tried = pd.DataFrame(_attacked("all", (0.2, 0.05, 0.5, "within the bound"))[:2])
    tried["low"], tried["high"] = tried["low"].astype(float), tried["high"].astype(float)
    assert privacy.exactly_one_of_n(tried)[1].word == "does not hold"
    assert privacy.exactly_one_of_n(tried.assign(prompts=[160, 5]))[1].word == "holds"
    assert privacy.exactly_one_of_n(tried.assign(prompts=[160, 5], low=0.15))[1].word == "does not hold"


def test_without_weights_nothing_is_claimed(tmp_path: Path) -> None:
    config = compose_config(["experiment=privacy", "pair=sd14-bksdm-small"])
    assert {claim.verdict.word for claim in privacy.claims(config, tmp_path)} == {"not testable here"}
