"""`obclip reproduce`: all experiments, the page that leads through them, and what it asks before a large pair."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from obclip_cli.commands import reproduce
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.diffusion.pairs import pair_names
from obclip_cli.errors import UserError
from obclip_cli.reproduction import needs
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.reproduction.experiments import experiment_names, load_experiment
from obclip_cli.runs import write_text
from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=10", "dataset.limit=4"]


@pytest.mark.slow
def test_all_experiments_and_the_page(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    run = obclip("reproduce", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    page = (tmp_path / "README.md").read_text()
    assert page.index("claims.md") < page.index("table2.png") < page.index("figure3.png") < page.index("figure12.png")
    for name in experiment_names():
        assert {f"{name}.{kind}" for kind in ("png", "md", "csv", "tex")} <= {path.name for path in tmp_path.iterdir()}
        assert f"({name}.png)" in page and f"({name}.md)" in page
    for run_folder in (tmp_path / "runs").iterdir():
        assert run_folder.name in page
        assert (run_folder / "config.yaml").exists() and (run_folder / "environment.json").exists()


def test_unknown_experiments_are_one_line(obclip: Obclip) -> None:
    assert_one_line_error(obclip("reproduce", "figure33"), "did you mean figure3")


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_a_title_a_run_and_a_plan_for_every_pair(name: str) -> None:
    module = load_experiment(name)
    assert module.__doc__ and module.TITLE and callable(module.run)
    for pair in pair_names():
        config = compose_config([*module.overrides(pair), f"pair={pair}"])
        assert config.pair.name == pair
        for planned in getattr(module, "planned", lambda _: [])(config):
            assert planned.config.dataset["limit"] and planned.methods


def test_tables_come_before_figures_and_numbers_count() -> None:
    names = experiment_names()
    order = [
        names.index(name) for name in ("table2", "table7", "figure3", "figure4", "figure12", "handover", "privacy")
    ]
    assert order == sorted(order)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three experiments, of which the second cannot be run; `seen` holds the configurations that they got."""
    seen: dict[str, Config] = {}

    def experiment(name: str) -> Any:
        def run(config: Config, folder: Path, progress: Any) -> str:
            seen[name] = config
            progress("parts", 1)(1)
            if name == "second":
                raise UserError("no weights; get some")
            write_text(folder / f"{name}.md", name)
            return f"what {name} shows"

        claims = [Claim("one is one", "Fig. 1", "1", "1", exactly(True, "1 = 1"))]
        return SimpleNamespace(
            TITLE=name.title(),
            overrides=lambda pair: ["dataset=emoji" if pair == "mini" else "dataset=coco", "dataset.limit=7"],
            run=run,
            claims=lambda config, folder: claims,
        )

    made = {name: experiment(name) for name in ("first", "second", "third")}
    monkeypatch.setattr(reproduce, "experiment_names", lambda: list(made))
    monkeypatch.setattr(reproduce, "load_experiment", lambda name: made[name])
    return seen


def test_an_experiment_that_cannot_run_does_not_stop_the_others(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path
) -> None:
    run = obclip("reproduce", "-o", str(tmp_path))
    assert run.code == 2
    assert "not run: second (no weights; get some)" in run.err.strip().splitlines()[-1]
    page = (tmp_path / "README.md").read_text()
    assert "what first shows" in page and "what third shows" in page
    assert "## Second\n\nNot run: no weights; get some" in page and "second.png" not in page
    assert "Of 2 claims 2 hold," in page and (tmp_path / "claims.md").exists()
    assert "first" in run.err and "then second, third" in run.err


def test_one_experiment_leaves_the_page_alone(obclip: Obclip, fakes: dict[str, Any], tmp_path: Path) -> None:
    run = obclip("reproduce", "third", "--limit", "3", "-o", str(tmp_path))
    assert run.code == 0, run.err
    assert "what third shows" in run.out and "one is one" in run.out
    assert [path.name for path in tmp_path.iterdir()] == ["third.md"]
    assert fakes["third"].dataset["limit"] == 3 and list(fakes) == ["third"]
    assert_one_line_error(obclip("reproduce", "third", "--limit", "0", "-o", str(tmp_path)), "limit")


def test_a_large_pair_says_what_it_needs_and_asks(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "in_words", lambda configs, planned: "Downloads: much")
    run = obclip("reproduce", "--pair", "sd14-bksdm-small", "-o", str(tmp_path))
    assert run.code == 2 and not fakes
    assert "Downloads: much" in run.err and "--yes" in run.err and "--leave-out" in run.err


def test_what_is_not_here_can_be_left_out(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = obclip("reproduce", "first", "--pair", "sd14-bksdm-small", "--leave-out", "--data", "my/data")
    assert run.code == 0, run.err
    assert fakes["first"].dataset["root"] == "my/data/coco"
    assert (tmp_path / "results" / "sd14-bksdm-small" / "first.md").exists()  # not among those of `mini`
