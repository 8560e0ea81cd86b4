"""What is committed in results/ has runs behind it, and comes out again."""

import re
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, NOT_DECIDED
from obclip_cli.reproduction.experiment import module_of, standing_names

RESULTS = Path(__file__).parent.parent / "results"
KINDS = ("csv", "md", "tex", "png")


@pytest.mark.parametrize("name", standing_names(RESULTS))
def test_every_experiment_is_there_and_names_its_runs(name: str) -> None:
    assert all((RESULTS / f"{name}.{kind}").stat().st_size for kind in KINDS)
    page = (RESULTS / "README.md").read_text()
    assert f"({name}.png)" in page
    named = set(re.findall(r"runs/([\w.-]+\w)", (RESULTS / f"{name}.md").read_text()))
    assert named or name == "figure12"  # which has its run named on the page
    for run in named:
        assert f"runs/{run}" in page
        assert (RESULTS / "runs" / run / "config.yaml").exists() and (
            RESULTS / "runs" / run / "environment.json"
        ).exists()


def test_no_run_is_left_that_nothing_names() -> None:
    page = (RESULTS / "README.md").read_text()
    runs = {path.name for path in (RESULTS / "runs").iterdir()} - {"model-card"}  # named by the model card
    assert runs and all(f"runs/{run}" in page for run in runs)


def test_what_does_not_hold_or_is_undecided_has_a_likelier_reason() -> None:
    claims = pd.read_csv(RESULTS / "claims.csv", keep_default_na=False)
    unsettled = claims[claims["verdict"].isin([DOES_NOT_HOLD, NOT_DECIDED])]
    assert all(unsettled["reason"]), unsettled.loc[unsettled["reason"] == "", "claim"].to_list()
    experiments = [compose_config([f"experiment={name}"]).experiment or {} for name in standing_names(RESULTS)]
    told = {claim for experiment in experiments for claim in experiment.get("reasons", {}).get("mini", {})}
    assert told <= {*claims["claim"]}  # a reason of no claim is a slip of the pen


@pytest.mark.slow
def test_a_cheap_experiment_comes_out_as_committed(tmp_path: Path) -> None:
    """Figure 9 on `mini`, its first prompt: what was measured of it is in the committed run."""
    config = compose_config(["experiment=figure9", "dataset.limit=2"])
    figure9 = module_of(config)
    assert figure9 is not None
    figure9.run(config, tmp_path, lambda *_: lambda _: None)
    keys = ["prompt", "part", "comparison", "step"]
    again, committed = (
        pd.read_csv(next(folder.glob("runs/figure9-*/differences.csv"))).set_index(keys)["value"]
        for folder in (tmp_path, RESULTS)
    )
    again = again.loc[[0]]  # the second prompt's neighbour is another one
    assert {*again.index.get_level_values("comparison")} >= {"other_gender", "other_noise", "other_prompt"}
    pd.testing.assert_series_equal(again, committed.loc[again.index], rtol=0.02, atol=1e-3)
