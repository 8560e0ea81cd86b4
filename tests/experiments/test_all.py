"""What holds of every experiment."""

import pytest

from obclip_cli.reproduction.experiment import experiment_names, standing_names
from tests.conftest import read_only
from tests.experiments.conftest import Reproduced, reproduce


@pytest.mark.slow
def test_the_page_leads_through_all_experiments_and_their_runs(reproduced: Reproduced) -> None:
    page = (reproduced.folder / "README.md").read_text()
    assert page.index("claims.md") < page.index("table2.png") < page.index("figure3.png") < page.index("figure12.png")
    for name in standing_names():
        assert all((reproduced.folder / f"{name}.{kind}").stat().st_size for kind in ("png", "md", "csv", "tex"))
        assert f"({name}.png)" in page and f"({name}.md)" in page
    for run in (reproduced.folder / "runs").iterdir():
        if run.name.partition("-")[0] in {*experiment_names()} - {*standing_names()}:  # run by name, in other tests
            continue
        assert run.name in page and (run / "config.yaml").exists() and (run / "environment.json").exists()


def test_what_is_finished_is_read_and_nothing_is_written_again(reproduced: Reproduced) -> None:
    with read_only(reproduced.folder):
        reproduce(["-o", str(reproduced.folder), *reproduced.overrides])


@pytest.mark.parametrize("name", ["table2", "table3", "table4", "table6", "figure3", "figure4"])
def test_claims_have_figures_and_reasons(reproduced: Reproduced, name: str) -> None:
    for claim in reproduced.claims(name):
        assert claim.ours and claim.verdict.why, claim.claim
