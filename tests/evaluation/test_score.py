"""Runs resume to the image, refuse what does not fit, and are only read once they are finished."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from PIL import Image

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.data import Sample
from obclip_cli.errors import UserError
from obclip_cli.evaluation import score as scoring
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.store import RunFolder, run_name
from obclip_cli.metrics.features import FeatureExtractor
from tests.conftest import Run

FAST = ["dataset=emoji", "dataset.limit=6", "hybrid.steps=4", "hybrid.switch_point=2", "cloud.batch=4"]
METHODS = [Method("cloud-only", "server_first", 4), Method("ours, k=2", "server_first", 2, hidden=True)]
Scored = tuple[pd.DataFrame, dict[str, StoredImages], list[Sample]]


def silent(_: str, __: int) -> Callable[[int], None]:
    return lambda amount: None


@pytest.fixture
def config(tiny_pair: list[str]) -> Config:
    return compose_config([*tiny_pair, *FAST])


@pytest.fixture(scope="module")
def finished(tiny_pair: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be read."""
    folder = tmp_path_factory.mktemp("finished")
    score(compose_config([*tiny_pair, *FAST]), folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(finished, tmp_path / "run")


def score(config: Config, folder: Path, methods: list[Method] = METHODS) -> Scored:
    return scoring.run_benchmark(config, methods, folder, silent)


def images_in(folder: Path) -> dict[str, int]:
    """Finished images and when they were written."""
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.glob("images/*/*.png"))}


def test_a_run_writes_a_row_a_prompt_and_scores_with_intervals(config: Config, finished: Path) -> None:
    table, images, samples = score(config, finished)
    rows = pd.read_csv(finished / "results.csv")
    assert len(rows) == len(METHODS) * len(samples) == 12
    assert list(rows.columns[:7]) == ["method", "prompt", "seed", "image", "n", "cloud_macs", "device_macs"]
    assert all((finished / path).exists() for path in rows["image"])
    ours = rows[rows["method"] == "ours, k=2"]
    by_method = table.set_index("method")
    assert by_method.loc["ours, k=2", "clip"] == pytest.approx(ours["clip"].mean(), abs=1e-4)
    assert rows[rows["method"] == "cloud-only"]["ssim"].tolist() == [1.0] * 6
    assert (ours["ssim"] < 1).all()
    for name in ("fid", "kid", "is", "clip", "ssim", "gender"):
        assert by_method.loc["ours, k=2", f"{name}_low"] <= by_method.loc["ours, k=2", name]
        assert by_method.loc["ours, k=2", name] <= by_method.loc["ours, k=2", f"{name}_high"]
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["examiner"]["features"].startswith("the judge package:mini")
    assert metrics["methods"]["ours, k=2"]["fid"]["value"] == pytest.approx(by_method.loc["ours, k=2", "fid"], rel=1e-4)
    assert images["ours, k=2"][:3].shape == (3, 3, 16, 16) and images["ours, k=2"][5].dtype == torch.uint8


def test_a_finished_run_is_only_read(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = score(config, tmp_path)
    stamps = images_in(tmp_path)
    monkeypatch.setattr(scoring, "load_pair", None)  # calling it would fail
    monkeypatch.setattr(scoring, "load_extractor", None)
    again = score(config, tmp_path)
    pd.testing.assert_frame_equal(first[0], again[0])
    assert first[2] == again[2] and images_in(tmp_path) == stamps


def test_the_networks_that_score_are_loaded_once_the_pairs_memory_is_free(
    config: Config, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Costs are still counted then."""
    for name in ("scores.csv", "metrics.json", "results.csv", "images/cloud-only/000001.png"):
        (run / name).unlink()
    load_pair, load_extractor, pairs, held = scoring.load_pair, scoring.load_extractor, [], []

    def load(given: Config) -> FeatureExtractor:
        modules = [module for pair in pairs for side in (pair.cloud, pair.device) for module in (side.unet, side.vae)]
        held.append({weights.device.type for module in modules for weights in module.parameters()})
        return load_extractor(given)

    monkeypatch.setattr(scoring, "load_pair", lambda given: pairs.append(load_pair(given)) or pairs[-1])
    monkeypatch.setattr(scoring, "load_extractor", load)
    table = score(config, run)[0]
    assert held == [{"meta"}]
    assert (table["cloud_gmacs"].dropna() > 0).all() and table["cloud_gmacs"].notna().sum() == len(METHODS)


def test_only_missing_images_are_made_again_and_are_the_same(config: Config, finished: Path, run: Path) -> None:
    expected = score(config, finished)[0]
    for name in ("scores.csv", "metrics.json", "results.csv"):
        (run / name).unlink()
    removed = ["images/ours-k-2/000001.png", "images/cloud-only/000004.png", "images/ours-k-2/000004.png"]
    pixels = {name: (run / name).read_bytes() for name in removed}
    for name in removed:
        (run / name).unlink()
    stamps = images_in(run)
    table = score(config, run)[0]
    now = images_in(run)
    assert {name: now[name] for name in stamps} == stamps and sorted(set(now) - set(stamps)) == sorted(removed)
    assert {name: (run / name).read_bytes() for name in removed} == pixels
    pd.testing.assert_frame_equal(table, expected, check_exact=True)


def test_scored_methods_are_not_scored_again(config: Config, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "scores.csv").unlink()
    monkeypatch.setattr(RunFolder, "add_scores", None)
    assert list(score(config, run)[0]["method"]) == ["real held-out art", "cloud-only", "ours, k=2"]


@pytest.mark.slow
def test_kill_9_loses_at_most_a_batch(obclip: Callable[..., Run], tiny_pair: list[str], tmp_path: Path) -> None:
    """The batch is 2 samples with 2 methods: whatever was written before the kill stays, byte for byte."""
    limit = 20
    overrides = [*tiny_pair, *FAST, f"dataset.limit={limit}"]
    folder = tmp_path / "run"
    arguments = ["eval", *overrides, "-o", str(folder)]
    command = [sys.executable, "-m", "obclip_cli.main", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(images_in(folder)) < 8 and time.monotonic() < deadline and killed.poll() is None:
            time.sleep(0.005)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    kept = images_in(folder)
    per_sample = len(list((folder / "images").iterdir()))
    assert 8 <= len(kept) < limit * per_sample
    assert not (folder / "scores.csv").exists()
    done = obclip(*arguments)
    assert done.code == 0, done.err
    now = images_in(folder)
    assert {name: now[name] for name in kept} == kept
    assert len(pd.read_csv(folder / "results.csv")) == len(now)


@pytest.mark.parametrize("change", ["seed=1", "hybrid.handover=history", "dataset.limit=5"])
def test_another_configuration_under_the_same_name_is_refused(
    config: Config, tiny_pair: list[str], run: Path, change: str
) -> None:
    key = change.partition("=")[0]
    with pytest.raises(UserError, match=f"holds a run with {key}=.*another folder"):
        score(compose_config([*tiny_pair, *FAST, change]), run)
    assert score(config, run)[0] is not None  # what was finished stays usable


def test_other_methods_and_other_weights_are_refused(config: Config, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other methods"):
        score(config, run, METHODS[:1])
    copy = shutil.copytree(config.pair.device.path, tmp_path / "device")
    config.pair.device.path = str(copy)
    own = tmp_path / "own"
    score(config, own)
    before = run_name(config, METHODS)
    weights = next(copy.glob("unet/*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(UserError, match="other weights"):
        score(config, own)
    assert run_name(config, METHODS) != before


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Path.write_bytes
    room = 5

    def write_bytes(path: Path, content: bytes) -> int:
        nonlocal room
        if ".png" in path.name:
            room -= 1
            if room < 0:
                written(path, content[:10])
                raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(UserError, match=r"No space left on device.*make room.*again"):
        score(config, tmp_path)
    kept = images_in(tmp_path)
    assert len(kept) == 5 and not list(tmp_path.rglob("*.partial"))
    monkeypatch.undo()
    score(config, tmp_path)
    now = images_in(tmp_path)
    assert len(now) == 12 and {name: now[name] for name in kept} == kept


def test_broken_files_of_a_run_are_named(config: Config, run: Path) -> None:
    (run / "scores.csv").unlink()
    metrics = (run / "metrics.json").read_text()
    (run / "metrics.json").write_text(metrics[:50])
    with pytest.raises(UserError, match=r"metrics\.json is not readable.*delete it"):
        score(config, run)
    (run / "metrics.json").unlink()
    picture = run / "images" / "ours-k-2" / "000003.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:40])
    with pytest.raises(UserError, match=r"000003\.png is not a readable image; delete it"):
        score(config, run)
    Image.new("RGB", (8, 8)).save(picture)
    with pytest.raises(UserError, match=r"000003\.png has 8x8 pixels, the first of its folder 16x16"):
        score(config, run)
    picture.write_bytes(whole)
    assert len(score(config, run)[0]) == 3


def test_a_changed_dataset_is_refused(config: Config, run: Path) -> None:
    (run / "scores.csv").unlink()
    samples = run / "samples.json"
    samples.write_text(samples.read_text().replace('"seed": 0,', '"seed": 9,'))
    with pytest.raises(UserError, match="the dataset has changed"):
        score(config, run)


def test_prompts_that_cannot_be_hidden_are_left_out_of_every_method(tiny_pair: list[str], tmp_path: Path) -> None:
    overrides = ["dataset=emoji_portraits", "dataset.attributes=2", "dataset.limit=4", "privacy.max_candidates=5"]
    with pytest.raises(UserError, match=r"at least two images.*10 candidates, more than privacy.max_candidates=5"):
        score(compose_config([*tiny_pair, *FAST, *overrides]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_references_has_no_fid(tiny_pair: list[str], tmp_path: Path) -> None:
    overrides = ["dataset=portraits", "dataset.templates=emoji", "dataset.limit=3"]
    table = score(compose_config([*tiny_pair, *FAST, *overrides]), tmp_path)[0]
    assert table["fid"].isna().all() and table["kid"].isna().all()
    assert table["clip"].notna().all() and table["tone"].notna().all()


@pytest.mark.slow
def test_two_processes_share_the_prompts_and_give_the_same_scores(
    obclip: Callable[..., Run], tiny_pair: list[str], tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone = obclip("eval", *tiny_pair, *FAST, "-o", str(one))
    assert alone.code == 0, alone.err
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "obclip_cli.main"]
    command = [sys.executable, *launch, "eval", *tiny_pair, *FAST, "-o", str(two)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert alone.out.count("written to") == done.stdout.count("written to") == 1
    tables = [pd.read_csv(folder / "scores.csv") for folder in (one, two)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3)  # the launcher sets other numbers of threads
    assert sorted(images_in(one)) == sorted(images_in(two))


def test_another_number_of_processes_resumes_to_the_images_of_one(
    config: Config, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two processes makes its share, of batches that are those of one; one process makes the rest."""

    calls = iter(range(2))  # the folder has begun; the share is made

    def wait() -> None:
        if next(calls):
            raise KeyboardInterrupt

    first = SimpleNamespace(num_processes=2, process_index=0, is_main_process=True, wait_for_everyone=wait)
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "processes", lambda: first)
        with pytest.raises(KeyboardInterrupt):
            score(config, tmp_path)
    mine = [0, 1, 4, 5]  # cloud.batch=4: two samples with guidance
    assert [*images_in(tmp_path)] == [
        f"images/{name}/{at:06d}.png" for name in ("cloud-only", "ours-k-2") for at in mine
    ]
    score(config, tmp_path)
    for name in images_in(finished):
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes(), name


def test_what_a_run_needs_to_be_found_again_is_in_its_folder(config: Config, finished: Path) -> None:
    found = RunFolder(finished, config, METHODS)
    assert json.loads((finished / "environment.json").read_text())["schedule"] == "both sides run on one schedule"
    assert found.is_finished and len(found.samples) == 6 and found.left_out == {}
    assert found.samples[0].labels["gender"] in ("male", "female")


def test_a_fresh_clone_has_no_images_and_makes_the_run_again(config: Config, run: Path) -> None:
    """Images and the mark are not committed; scores of images that are not there are not believed."""
    expected = score(config, run)[0]
    shutil.rmtree(run / "images")
    metrics = run / "metrics.json"
    metrics.write_text(re.sub(r'"value": (\d)', r'"value": 7\1', metrics.read_text()))
    pd.testing.assert_frame_equal(score(config, run)[0], expected)
    assert len(images_in(run)) == 12


def test_distances_are_measured_to_the_image_of_the_same_noise(config: Config, finished: Path, tmp_path: Path) -> None:
    """The cloud's own images may come from another run, of more prompts and in another order."""
    _, images, samples = score(config, finished)
    alone = scoring.run_benchmark(config, METHODS[1:], tmp_path / "alone", silent)[0].set_index("method")
    assert pd.isna(alone.loc["ours, k=2", "ssim"])
    backwards = images["cloud-only"].at([5, 4, 3, 2, 1, 0]), samples[::-1]
    table = scoring.run_benchmark(config, METHODS[1:], tmp_path / "again", silent, backwards)[0].set_index("method")
    both = pd.read_csv(finished / "scores.csv").set_index("method")
    assert table.loc["ours, k=2", "ssim"] == pytest.approx(both.loc["ours, k=2", "ssim"], abs=1e-4)
