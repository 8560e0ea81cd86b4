"""`obclip eval` on a tiny random pair, scored by the packaged judge."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.errors import UserError
from obclip_cli.evaluation import score
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.store import run_name
from tests.conftest import Run, assert_one_line_error, read_only
from tests.data.test_coco import make_coco

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=5", "hybrid.switch_point=2", "dataset.limit=4"]


def test_emoji_writes_table_plot_images_and_the_run_behind_them(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("eval", "--dataset", "emoji", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "config.yaml",
        "environment.json",
        "methods.json",
        "samples.json",
        "images",
        "results.csv",
        "metrics.json",
        "scores.csv",
        "table.csv",
        "table.md",
        "table.tex",
        "scores.png",
        "scores.svg",
        "images.png",
    }
    table = pd.read_csv(tmp_path / "scores.csv").set_index("method")
    assert list(table.index) == ["real held-out art", "cloud-only", "device-only", "Hybrid SD, k=2", "ObCLIP, k=2"]
    assert table.loc["real held-out art", "tone"] > 0.5 > table.loc["cloud-only", "role_top3"]
    assert pd.isna(table.loc["real held-out art", "fid"]) and (table["fid"].dropna() > 0).all()
    # The prompts are canonical already, so hiding them changes no image, only the cost.
    assert table.loc["ObCLIP, k=2", "fid"] == table.loc["Hybrid SD, k=2", "fid"]
    assert table.loc["ObCLIP, k=2", "cloud_gmacs"] > 5 * table.loc["Hybrid SD, k=2", "cloud_gmacs"]
    assert json.loads((tmp_path / "environment.json").read_text())["torch"]
    assert "FID and KID of 4 images mean nothing" in run.out and "cloud_gmacs: of a whole request" in run.out
    # A finished run is shown from a disk that nothing can be written to, and drawn where something can.
    (tmp_path / "images.png").unlink()
    with read_only(tmp_path):
        again = obclip("eval", "--dataset", "emoji", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert again.code == 0 and again.out == run.out and "warning: cannot write" in again.err
    assert obclip("eval", "--dataset", "emoji", "-o", str(tmp_path), *tiny_pair, *FAST).out == run.out
    assert (tmp_path / "images.png").exists()


def test_coco_reads_the_real_layout(obclip: Obclip, tiny_pair: list[str], tmp_path: Path) -> None:
    root = make_coco(tmp_path / "coco")
    out = tmp_path / "out"
    dataset = ["--dataset", "coco", f"dataset.root={root}", "dataset.size=32"]
    run = obclip("eval", *dataset, "--json", "-o", str(out), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    rows = {row["method"]: row for row in json.loads(run.out)}
    assert rows["cloud-only"]["fid"] > 0 and rows["cloud-only"]["tone"] is None
    assert rows["ObCLIP, k=2"]["n"] == 2  # every caption speaks of one woman


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "coco"], ["dataset.root=DIR", "cocodataset.org"]),
        (["--dataset", "coco", "dataset.root=/nowhere"], ["/nowhere", "captions_val2014.json"]),
        (["--dataset", "imagenet"], ["imagenet"]),
        (["dataset.limit=1"], ["at least two"]),
        (["dataset.limit=0"], ["dataset.limit=0 must lie in 1..1000000"]),
        (["dataset.limit=1.5"], ["dataset.limit=1.5 must be a whole number or null"]),
        (["dataset.limit=nan"], ["dataset.limit=nan must be a whole number or null"]),
        (["dataset.limit=abc"], ["dataset.limit=abc must be a whole number or null"]),
        (["dataset.root=null"], ["dataset.root=null must be text"]),
        (["+dataset.limits=3"], ["no setting dataset.limits", "did you mean limit?"]),
        (["dataset._target_=os.getcwd"], ["dataset._target_=os.getcwd is no class of a dataset"]),
        (["--dataset", "coco", "dataset.size=0"], ["dataset.size=0", "8..4096"]),
        (["--dataset", "coco", "dataset.size=-3"], ["dataset.size=-3", "8..4096"]),
        (["--dataset", "coco", "dataset.size=abc"], ["dataset.size=abc must be a whole number"]),
        ([f"seed={2**63 - 1}"], ["too large for a dataset", "0..9223372036853"]),
        (["-o", ""], ["-o names no folder"]),
        (["pair.judge=/nowhere"], ["/nowhere"]),
        (["-k", "five"], ["-k five", "5,10"]),
        (["-k", "5,26"], ["hybrid.switch_point=26", "0..25"]),
        (["-k", "10,5", "cache=paper_k10"], ["cache.skip_point=6", "1..5"]),
        (["hybrid.order=client_first"], ["client_first", "privacy=none"]),
    ],
)
def test_bad_input_is_one_line(
    obclip: Obclip,
    tiny_pair: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line_error(obclip("eval", *arguments, *tiny_pair), *words)
    assert list(tmp_path.iterdir()) == []


def test_without_a_judge_the_papers_networks_are_asked_for(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    run = obclip("eval", "pair.judge=null", "-o", str(tmp_path / "out"), *tiny_pair, *FAST)
    assert_one_line_error(run, "Inception-v3", "no route to host", str(tmp_path / "torch"), "pair.judge")


def test_an_experiment_is_scored_as_reproduce_scores_it(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same methods on the same data: it finds the run that `obclip reproduce` would make."""
    monkeypatch.chdir(tmp_path)
    asked = ["experiment=table4", "hybrid.steps=12", "dataset.limit=3", *tiny_pair]
    seen = []

    def run_benchmark(config: Config, methods: list[Method], folder: Path, _: Any) -> None:
        seen.append(run_name(config, methods))
        raise UserError(f"{folder} was asked for")

    monkeypatch.setattr(score, "run_benchmark", run_benchmark)
    assert_one_line_error(obclip("eval", *asked), "results/eval/emoji-mini")
    assert f"captions-{seen[0]}" == blocks_of(compose_config(asked))[0].run(tmp_path).name
    assert_one_line_error(obclip("eval", "experiment=table3", "-k", "5"), "leave -k out")
