"""`obclip reproduce privacy` on a tiny random pair, and what it concludes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import experiments.privacy as privacy
from obclip_cli.commands import reproduce
from obclip_cli.compose import compose_config
from tests.conftest import Run

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=4", "hybrid.switch_point=1", "dataset.limit=4"]
FILES = {"privacy.csv", "privacy.md", "privacy.tex", "privacy.png", "privacy_promises.md", "runs"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer requests than the experiment makes."""
    values = {"LAMBDAS": (0.1, 0.9), "REPEATS": 2, "OTHERS": 3, "ANSWERED": 5, "SWEEP_TEMPLATES": 2, "MOST_QUERIES": 3}
    for name, value in values.items():
        monkeypatch.setattr(privacy, name, value)
    monkeypatch.setattr(reproduce, "load_experiment", lambda _: privacy)


@pytest.mark.usefixtures("short")
def test_reproduce_writes_matrix_plot_promises_and_the_run_behind_them(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "privacy", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {path.name for path in tmp_path.iterdir()} == FILES
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name in (tmp_path / "privacy.md").read_text()
    scores = pd.read_csv(folder / "scores.csv")
    matrix = pd.read_csv(tmp_path / "privacy.csv").set_index("scheme")
    assert matrix.loc["own-first", "position"] == "100.0*" and str(matrix.loc["all", "position"]) == "10.0"
    planted = scores[scores["planted_for"] == scores["attack"]]
    assert set(planted["verdict"]) == {"LEAK"} and len(planted) == 6
    assert set(scores[scores["scheme"].isin(("all", "bucket"))]["verdict"]) <= {"within the bound", "not applicable"}

    sweep = pd.read_csv(folder / "lambda.csv").set_index(["strategy", "lambda"])
    assert sweep.loc[("bucket", 0.1), "cost_share"] == 0.5 and sweep.loc[("bucket", 0.9), "cost_share"] == 0.1
    assert sweep.loc["bucket"]["own_is_sent"].min() == 1 > sweep.loc[("dp", 0.1), "own_is_sent"]
    queries = pd.read_csv(folder / "queries.csv").set_index(["strategy", "prompts", "queries"])
    assert queries.loc[("fresh", "the same", 3), "success"] > queries.loc[("fresh", "the same", 1), "success"]

    config = compose_config([*privacy.overrides("mini"), *tiny_pair, *FAST])
    words = [claim.verdict.word for claim in privacy.claims(config, tmp_path)]
    assert words[:2] == ["holds", "holds"]  # Theorem 1 and blocks do not depend on the weights

    stamp = (folder / "scores.csv").stat().st_mtime_ns
    assert obclip("reproduce", "privacy", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert (folder / "scores.csv").stat().st_mtime_ns == stamp  # a finished run is not made again


def test_the_finding_is_computed_from_the_tables() -> None:
    scores = pd.DataFrame(
        [
            {"scheme": "all", "attack": "position", "verdict": "within the bound", "planted_for": ""},
            {"scheme": "own-first", "attack": "position", "verdict": "LEAK", "planted_for": "position"},
            {"scheme": "own-time", "attack": "timing", "verdict": "within the bound", "planted_for": "timing"},
        ]
    )
    sweep = pd.DataFrame([{"strategy": "dp", "lambda": 0.1, "own_is_sent": 0.6}])
    utility = pd.DataFrame({"lambda": [0, 0.1, 0.2], "right": [0.9, 0.7, 0.8]})
    names = ("all", "bucket", "dp", "fresh")
    queries = pd.DataFrame([{"strategy": n, "prompts": "different", "queries": 9, "success": 0.5} for n in names])
    text = privacy.finding(scores, sweep, utility, queries)
    for words in (
        "Within the bound under every attack: all, own-time.",
        "own-first leaks to: position.",
        "missed: own-time",
    ):
        assert words in text
    assert "60%" in text and "90% to 70%" in text and "(λ = 0.1)" in text


LEAKING, KEPT = (0.5, 0.4, 0.6, "LEAK"), (0.1, 0.05, 0.16, "within the bound")


def _attacked(scheme: str, one: tuple[float, float, float, str]) -> list[dict[str, object]]:
    """Two attacks, the first of which always keeps the bound, and one that does not apply."""
    tried = [("prior", 160, *KEPT), ("context", 160, *one), ("timing", 0, None, None, None, "not applicable")]
    names = ["attack", "prompts", "success", "low", "high", "verdict"]
    return [dict(zip(names, row, strict=True)) | {"scheme": scheme, "bound": 0.1} for row in tried]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (KEPT, ["holds", "holds", "not testable here", "not testable here"]),
        (LEAKING, ["does not hold", "does not hold", "holds", "holds"]),
        # Less than 1/N is as much against Theorem 1 as more, and keeps the bound of blocks.
        ((0.02, 0.0, 0.15, "within the bound"), ["does not hold", "holds", "not testable here", "not testable here"]),
    ],
)
def test_claims_are_computed_from_the_scores(
    second: tuple[float, float, float, str], words: list[str], tmp_path: Path
) -> None:
    config = compose_config()
    folder = privacy._run_folder(config, tmp_path)
    folder.mkdir(parents=True)
    rows = [row for scheme in ("all", "bucket", "replacement", "word-dp") for row in _attacked(scheme, second)]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    claims = privacy.claims(config, tmp_path)
    assert [claim.verdict.word for claim in claims] == words
    assert claims[0].source == "Theorem 1" and claims[1].source.startswith("our promise")


def test_attacks_on_a_part_of_the_candidates_need_only_an_interval_that_holds_1_over_n() -> None:
    tried = pd.DataFrame(_attacked("all", (0.2, 0.05, 0.5, "within the bound"))[:2])
    tried["low"], tried["high"] = tried["low"].astype(float), tried["high"].astype(float)
    assert privacy._claim_of_theorem(tried).verdict.word == "does not hold"
    assert privacy._claim_of_theorem(tried.assign(prompts=[160, 5])).verdict.word == "holds"
    assert privacy._claim_of_theorem(tried.assign(prompts=[160, 5], low=0.15)).verdict.word == "does not hold"


def test_without_weights_nothing_is_played_or_claimed(tmp_path: Path) -> None:
    config = compose_config(["pair=sd14-bksdm-small", *privacy.overrides("sd14-bksdm-small")])
    assert "nothing was played" in privacy.run(config, tmp_path, lambda *_: lambda _: None)
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"privacy_promises.md"}
    assert {claim.verdict.word for claim in privacy.claims(config, tmp_path)} == {"not testable here"}
