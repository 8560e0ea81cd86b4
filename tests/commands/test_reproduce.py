"""`obclip reproduce`: all experiments, and the page that leads through them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from obclip_cli.config import compose_config
from obclip_cli.pairs import NO_RUN, pair_names
from obclip_cli.reproduction.experiments import experiment_names, load_experiment
from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=10", "dataset.limit=4"]


@pytest.mark.slow
def test_all_experiments_and_the_page(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("reproduce", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    page = (tmp_path / "README.md").read_text()
    assert page.index("figure3.png") < page.index("figure12.png")
    for name in experiment_names():
        assert {f"{name}.png", f"{name}.md", f"{name}.csv"} <= {path.name for path in tmp_path.iterdir()}
        assert f"({name}.png)" in page and f"({name}.md)" in page
    for run_folder in (tmp_path / "runs").iterdir():
        assert run_folder.name in page
        assert (run_folder / "config.yaml").exists() and (run_folder / "environment.json").exists()


def test_unknown_experiments_are_one_line(obclip: Obclip) -> None:
    assert_one_line_error(obclip("reproduce", "figure33"), "did you mean figure3")


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_a_title_and_a_run(name: str) -> None:
    module = load_experiment(name)
    assert module.__doc__ and module.TITLE and callable(module.run)
    for pair in pair_names():
        assert compose_config([*NO_RUN, *module.overrides(pair), f"pair={pair}"]).pair.name == pair
