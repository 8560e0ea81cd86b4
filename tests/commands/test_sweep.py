"""`obclip sweep` on a tiny random pair: every combination, one table, one plot."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from obclip_cli.errors import UserError
from obclip_cli.evaluation.sweep import begin, checked_overrides
from tests.conftest import Run, assert_one_line_error, read_only

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=4", "dataset.limit=3"]


def test_one_table_and_one_plot_over_all_runs_also_when_some_failed(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    swept = ["hybrid.switch_point=0,2", "cache=none,paper", "dataset.root=package:mini/weights/reference,nowhere"]
    run = obclip("sweep", *swept, "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 1, run.err  # there is no such folder
    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    runs = table[~table["method"].isin(("cloud-only", "device-only"))]
    rows = list(zip(runs["hybrid.switch_point"].astype(float), runs["cache"], runs["method"], strict=True))
    assert rows == [
        (0, "none", "ObCLIP, k=0"),
        (0, "paper", "ObCLIP, k=0"),
        (2, "none", "ObCLIP, k=2"),
        (2, "paper", "ObCLIP, k=2, paper"),
    ]
    text = (tmp_path / "table.md").read_text()
    for lost in (0, 2):
        failed = f"hybrid.switch_point={lost} cache=paper dataset.root=nowhere"
        assert failed in text and failed in run.err
    assert "no captions.csv" in run.err and "Traceback" not in run.err
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
    assert run.out.count("written to") == 1
    # The same sweep again makes no image twice; another one is refused.
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*/*.csv")}
    first = (tmp_path / "table.csv").read_text()
    as_json = obclip("sweep", *swept, "-o", str(tmp_path), "--json", *tiny_pair, *FAST)
    assert as_json.code == 1 and len(json.loads(as_json.out)) == len(table)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("runs/*/*.csv")} == stamps
    assert (tmp_path / "table.csv").read_text() == first
    other = obclip("sweep", "hybrid.switch_point=1,3", "-o", str(tmp_path))
    assert other.code == 2 and "holds another sweep" in other.err
    # Both ends once, and the run at that end has their scores.
    assert list(table["method"]).count("cloud-only") == list(table["method"]).count("device-only") == 1
    by_method = table[table["cache"] != "paper"].set_index("method")
    assert by_method.loc["device-only", "fid"] == by_method.loc["ObCLIP, k=0", "fid"]
    assert float(by_method.loc["cloud-only", "ssim"]) == pytest.approx(1)
    assert float(by_method.loc["ObCLIP, k=2", "ssim"]) < 0.999
    for name in set(table["run"]):
        assert (tmp_path / "runs" / name / "config.yaml").exists()


def test_a_sweep_of_the_prompt_in_the_clear_and_of_seeds(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    """Both change what the ends of the scale are made of, so each has baselines of its own."""
    settings = ["hybrid.switch_point=2", "privacy=all,none", "seed='range(0,2)'"]
    assert obclip("sweep", *[s.replace("'", "") for s in settings], "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert sorted(table["method"].value_counts().items()) == [
        ("Hybrid SD, k=2", 2),
        ("ObCLIP, k=2", 2),
        ("cloud-only", 4),
        ("device-only", 4),
    ]


def test_where_all_runs_failed_the_first_reason_is_told_and_the_sweep_may_be_corrected(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    asked = ["hybrid.switch_point=1,2", "-o", str(tmp_path), *tiny_pair, *FAST]
    run = obclip("sweep", *asked, "dataset.root=nowhere")
    assert_one_line_error(run, "all 2 runs failed", "no captions.csv")
    refused = obclip("sweep", *asked, "cache=paper_k5")
    assert_one_line_error(refused, "2 of 2 combinations")
    assert "captions.csv" not in refused.err  # nothing of the sweep before
    corrected = obclip("sweep", *asked)
    assert corrected.code == 0 and "failed" not in corrected.err
    with read_only(tmp_path):  # what is finished is shown from there
        again = obclip("sweep", *asked)
    assert again.code == 0 and again.out == corrected.out


def test_combinations_that_cannot_be_are_named_before_anything_runs(obclip: Obclip, tmp_path: Path) -> None:
    run = obclip("sweep", "hybrid.switch_point=0,5,10", "cache=none,paper_k10", "-o", str(tmp_path / "out"))
    assert_one_line_error(
        run,
        "2 of 6 combinations cannot be",
        "hybrid.switch_point=0 cache=paper_k10 (cache.cache_point=4",
        "hybrid.switch_point=5 cache=paper_k10 (cache.skip_point=6",
        "cache=paper",
    )
    assert not (tmp_path / "out").exists()


def test_ctrl_c_shows_what_was_finished_and_nothing_of_failures(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from obclip_cli.evaluation import sweep as sweeping

    score = sweeping.score_job
    asked = ["sweep", "hybrid.switch_point=1,2", "-o", str(tmp_path), *tiny_pair, *FAST]
    for stop, table in ((0, False), (1, True)):

        def stopped(config: Any, folder: Path, number: int, last: int = stop) -> dict[str, Any]:
            if number == last:
                raise KeyboardInterrupt
            return score(config, folder, number)

        monkeypatch.setattr(sweeping, "score_job", stopped)
        run = obclip(*asked)
        assert run.code == 130 and "runs failed" not in run.err
        assert run.err.strip().splitlines()[-1].startswith("obclip: stopped")
        assert ("ObCLIP, k=1" in run.out) is table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hybrid.switchpoint=1,2"], ["hybrid.switchpoint", "did you mean switch_point"]),
        (["cache=none,papper"], ["no cache papper", "did you mean paper"]),
        (["hybrid.switch_point=1,,2"], ["hybrid.switch_point=1,,2"]),
        (["nonsense"], ["nonsense"]),
        (["--pair", "mini,minni", "seed=0,1"], ["minni", "did you mean mini"]),
        (["-k", "1,two"], ["hybrid.switch_point=two must be a whole number"]),
        (["--seed=-1,0", "--cfg"], ["seed=-1"]),
        (["seed=range(0,0)"], ["seed=range(0,0)", "has no values"]),
        (["seed=range(0,900)", "-k", "0,5"], ["1,800 combinations"]),
        ([], ["nothing is swept"]),
        (["seed=range(0,10000000)"], ["more than 1000 values"]),
        (["hybrid.steps=${foo}"], ["${foo}"]),
        (["cloud.server=a#b,c"], ["cannot be read", "double quotes"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    obclip: Obclip, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    assert_one_line_error(obclip("sweep", *arguments, "-o", str(tmp_path / "new")), *words)
    assert list(tmp_path.iterdir()) == []


def test_settings_that_files_leave_out_and_those_of_one_dataset_can_be_swept() -> None:
    for override in (
        "pair.cloud.steps=10,20",
        "cache=none,paper_k5",
        "hybrid.switch_point=range(0,25,5)",
        "cache=glob(*)",
    ):
        assert checked_overrides([override]) == [override]
    crops = ["dataset=coco", "dataset.crop=none,center", "model@pair.cloud=sd14,sdxl"]
    assert checked_overrides(crops) == crops
    assert checked_overrides(["privacy.lambda=0,0.1"]) == ["privacy.lambda_=0,0.1"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["-k", "4,5"], {"hybrid": {"switch_point": 4}}),
        (["--lambda", "0.2,0"], {"privacy": {"lambda": 0.2, "strategy": "bucket"}}),
        (["--seed", "3,4"], {"seed": 3}),
        (["--limit", "7"], {"dataset": {"limit": 7}}),
        (["--pair", "sdxl-koala,mini"], {"pair": {"name": "sdxl-koala"}}),
        (["--dataset", "mjhq,emoji"], {"dataset": {"name": "mjhq"}}),
    ],
)
def test_every_option_changes_the_first_run(obclip: Obclip, option: list[str], expected: dict[str, Any]) -> None:
    run = obclip("sweep", *option, "--cfg")
    assert run.code == 0, run.err
    shown = yaml.safe_load(run.out)
    for group, settings in expected.items():
        assert shown[group] == settings or {key: shown[group][key] for key in settings} == settings


def test_a_missing_launcher_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"hydra/launcher=ray.*obclip\[cluster\]"):
        checked_overrides(["hydra/launcher=ray"])


def test_the_launcher_does_not_make_another_sweep(tmp_path: Path) -> None:
    begin(tmp_path, ["seed=0,1", "hydra/launcher=joblib"])
    begin(tmp_path, ["seed=0,1"])
    assert json.loads((tmp_path / "sweep.json").read_text()) == {"overrides": ["seed=0,1"]}


def test_a_launcher_that_is_not_installed_is_one_line(obclip: Obclip, tmp_path: Path) -> None:
    run = obclip("sweep", "seed=0,1", "hydra/launcher=nowhere", "-o", str(tmp_path))
    assert_one_line_error(run, "there is no launcher nowhere", "basic")
    assert not list(tmp_path.iterdir())


def test_a_corrected_sweep_takes_the_folder_of_one_that_made_nothing(tmp_path: Path) -> None:
    begin(tmp_path, ["seed=0,1", "dataset.root=nowhere"])
    failed = tmp_path / "jobs" / "0" / "job.json"
    failed.parent.mkdir(parents=True)
    failed.write_text('{"overrides": [], "error": "the old one"}')
    begin(tmp_path, ["seed=0,1"])
    assert not failed.exists()
    run = tmp_path / "runs" / "emoji-mini-0" / "config.yaml"
    run.parent.mkdir(parents=True)
    run.write_text("")
    failed.write_text('{"overrides": [], "error": "the old one"}')
    with pytest.raises(UserError, match="holds another sweep"):
        begin(tmp_path, ["seed=0,2"])


RAY = ["+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false"]


@pytest.mark.slow
@pytest.mark.parametrize("plugins", [{"joblib": ["hydra.launcher.n_jobs=2"], "submitit": []}, {"ray": RAY}])
def test_launchers_give_what_one_process_gives(
    obclip: Obclip,
    tiny_pair: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plugins: dict[str, list[str]],
) -> None:
    for plugin in plugins:
        if importlib.util.find_spec(f"hydra_plugins.hydra_{plugin}_launcher") is None:
            pytest.skip(f"hydra-{plugin}-launcher is not installed (pip install 'obclip[cluster]')")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = ["sweep", "hybrid.switch_point=1,2", *tiny_pair, *FAST]
    assert obclip(*arguments, "-o", str(tmp_path / "basic")).code == 0
    for plugin, settings in plugins.items():
        run = obclip(*arguments, f"hydra/launcher={plugin}", *settings, "-o", str(tmp_path / plugin))
        assert run.code == 0, run.err
        tables = [pd.read_csv(tmp_path / name / "table.csv") for name in ("basic", plugin)]
        pd.testing.assert_frame_equal(*tables, rtol=1e-3)


def test_a_sweep_of_an_experiment_scores_its_methods_in_every_job(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    fast = ["hybrid.steps=2", "hybrid.switch_point=1", "dataset.limit=2", *tiny_pair]
    run = obclip("sweep", "experiment=figure3", "seed=0,1", "-o", str(tmp_path), *fast)
    assert run.code == 0, run.err
    table = pd.read_csv(tmp_path / "table.csv")
    names = ["server-first, k=0", "server-first, k=1", "client-first, k=1", "server-first, k=2"]
    assert {seed: set(rows["method"]) for seed, rows in table.groupby("seed")} == {0: set(names), 1: set(names)}
