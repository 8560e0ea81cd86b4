"""`obclip reproduce`: where it writes, what it asks before a large pair, and that one failure stops no other."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.errors import UserError
from obclip_cli.reproduction import contrast_claims, experiment, needs
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.runs import write_text
from tests.conftest import Run, assert_one_line_error

Obclip = Callable[..., Run]
NAMES = ["table2", "table3", "figure3"]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three experiments, of which the second cannot be run; the configurations that they got, by name."""
    seen: dict[str, Config] = {}

    def module(composed: Config) -> Any:
        name = (composed.experiment or {})["name"]

        def run(config: Config, folder: Path, progress: Any) -> str:
            seen[name] = config
            progress("parts", 1)(1)
            if name == NAMES[1]:
                raise UserError("no weights; get some")
            write_text(folder / f"{name}.md", name)
            return f"what {name} shows"

        found = [Claim(f"{name} is one", "Fig. 1", "1", "1", exactly(True, "1 = 1"))]
        return SimpleNamespace(run=run, claims=lambda config, folder: found)

    monkeypatch.setattr(experiment, "experiment_names", lambda: NAMES)
    monkeypatch.setattr(experiment, "module_of", module)
    monkeypatch.setattr(contrast_claims, "contrast_claims", lambda config, folder: [])
    return seen


def test_a_quick_look_holds_what_is_read_and_not_made(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "experiment_names", lambda: [*NAMES, "mpc"])
    run = experiment.run_folder(compose_config(["experiment=mpc"]), tmp_path / "results")
    for name in ("steps.csv", "images/000000.png"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    obclip("reproduce")
    quick = tmp_path / "results" / "quick"
    assert [path.name for path in (quick / "runs" / run.name).iterdir()] == ["steps.csv"]
    assert "> what mpc shows" in (quick / "README.md").read_text()


def test_an_experiment_that_cannot_run_does_not_stop_the_others(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path
) -> None:
    run = obclip("reproduce", "-o", str(tmp_path))
    assert run.code == 2
    assert "not run: table3 (no weights; get some)" in run.err.strip().splitlines()[-1]
    page = (tmp_path / "README.md").read_text()
    assert (
        page.index("> what table2 shows") < page.index("table2 is one (Fig. 1) **holds**") < page.index("what figure3")
    )
    assert "captions\n\nNot run: no weights; get some" in page and "table3.png" not in page
    assert "Of 2 claims 2 hold," in page and (tmp_path / "claims.md").exists()
    assert "then table3, figure3" in run.err


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ([], "results/quick"),
        (["--size", "full"], "results"),
        (["--limit", "3"], "results/quick"),
        (["hybrid.steps=20"], "results/quick"),
        (["--seed", "1"], "results/quick"),
        (["--pair", "sd14-bksdm-small", "--leave-out"], "results/sd14-bksdm-small"),
        (["--pair", "sd14-bksdm-small", "--leave-out", "--limit", "3"], "results/quick/sd14-bksdm-small"),
        (["pair=sd14-bksdm-small", "--leave-out"], "results/sd14-bksdm-small"),
        (["--limit", "3", "-o", "mine"], "mine"),
    ],
)
def test_only_what_is_whole_goes_where_results_are_committed(
    obclip: Obclip,
    fakes: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    folder: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = obclip("reproduce", "figure3", *arguments)
    assert run.code == 0, run.err
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")] == [f"{folder}/figure3.md"]
    assert "what figure3 shows" in run.out and "figure3 is one" in run.out and list(fakes) == ["figure3"]
    assert ("--limit" in arguments) == (fakes["figure3"].dataset["limit"] == 3)


def test_errors_are_one_line(obclip: Obclip, tmp_path: Path) -> None:
    assert_one_line_error(obclip("reproduce", "figure33"), "did you mean figure3")
    assert_one_line_error(obclip("reproduce", "table3", "--limit", "0", "-o", str(tmp_path)), "limit")


def test_cfg_prints_what_would_run(obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = obclip("reproduce", "table3", "--cfg", "--limit", "5")
    assert run.code == 0 and "limit: 5" in run.out and "name: table3" in run.out and not list(tmp_path.iterdir())


def test_a_large_pair_says_what_it_needs_and_asks(
    obclip: Obclip, fakes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "in_words", lambda configs, planned: f"Downloads: much for {len(planned)} runs")
    run = obclip("reproduce", "--pair", "sd14-bksdm-small", "-o", str(tmp_path))
    assert run.code == 2 and not fakes
    assert "Downloads: much for 7 runs" in run.err and "--yes" in run.err and "--leave-out" in run.err


def test_a_datasets_folder_lies_below_data(obclip: Obclip, fakes: dict[str, Any], tmp_path: Path) -> None:
    options = ["--pair", "sd14-bksdm-small", "--leave-out", "--data", "my/data", "-o", str(tmp_path)]
    assert obclip("reproduce", "figure3", *options).code == 0
    assert fakes["figure3"].dataset["root"] == "my/data/coco"
