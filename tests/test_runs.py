"""What a run folder says of itself."""

import json
import os
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from obclip_cli import runs
from obclip_cli.compose import compose_config, differing
from obclip_cli.config import Config, plain
from obclip_cli.diffusion import hub
from obclip_cli.errors import UserError
from obclip_cli.evaluation.methods import both_ends
from obclip_cli.evaluation.store import RunFolder
from tests.fake_hub import COMMIT, serve
from tests.tiny_checkpoints import save_tiny


def test_a_finished_run_counts_until_the_weights_change(tiny_pair: list[str], tmp_path: Path) -> None:
    config = compose_config(tiny_pair)
    run = tmp_path / "run"
    assert not runs.is_finished(run, config)
    runs.mark_finished(run, config)
    copied = shutil.copytree(config.pair.device.path, tmp_path / "device")  # with times of its own
    moved = replace(config, pair=replace(config.pair, device=replace(config.pair.device, path=str(copied))))
    assert runs.is_finished(shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copy), moved)
    with (copied / "unet" / "diffusion_pytorch_model.safetensors").open("r+b") as weights:
        weights.seek(-1, os.SEEK_END)
        weights.write(b"?")
    assert not runs.is_finished(run, moved) and runs.is_finished(run, config)


def test_a_new_setting_renames_no_run_and_is_no_other_run(tiny_pair: list[str], tmp_path: Path) -> None:
    """What a run was made without is at its default."""
    config, other = compose_config(tiny_pair), compose_config([*tiny_pair, "hybrid.handover=history"])
    said = differing(plain(config), Config)
    assert said["pair.name"] == "mini" and not {"seed", "hybrid.handover", "privacy.lambda"} & set(said)
    assert runs.run_digest(config) == runs.run_digest(replace(config, experiment={"title": "Table 3"}))
    assert runs.run_digest(config) != runs.run_digest(other) != runs.run_digest(other, "a part")
    before = plain(config)
    del before["hybrid"]["handover"], before["cloud"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(before))
    runs.check_same(tmp_path, config)
    with pytest.raises(UserError, match=r"holds a run with hybrid.handover=restart, not history"):
        runs.check_same(tmp_path, other)
    methods = [asdict(method) for method in both_ends(config)]
    run = RunFolder(tmp_path, config, both_ends(config))
    for method in methods:
        del method["handover"], method["cache"]["refresh"]
    described = {"methods": methods, "weights": runs.pair_weights(config.pair)}
    (tmp_path / "methods.json").write_text(json.dumps(described))
    run.check()
    methods[0]["hidden"] = True
    (tmp_path / "methods.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match="other methods"):
        run.check()


def test_the_mark_is_not_committed() -> None:
    ignored = (Path(__file__).parent.parent / ".gitignore").read_text().splitlines()
    assert runs.FINISHED in ignored


def test_a_run_says_which_revision_of_each_model_it_had(
    tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose_config([*tiny_pair, "pair.cloud.path=someone/large"])
    with serve({"someone/large": save_tiny("sd14", tmp_path / "sd14", seed=0)}, monkeypatch, tmp_path / "cache"):
        hub.fetch(config.pair.cloud)
        runs.start(tmp_path / "run", config)
    said = json.loads((tmp_path / "run" / "environment.json").read_text())["models"]
    assert said == {
        "cloud": [{"source": "someone/large", "revision": COMMIT}],
        "device": [{"source": config.pair.device.path, "revision": None}],
    }


def test_only_obclips_own_checkout_names_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed inside another repository does not take that one's commit for its own."""
    root = Path(runs.__file__).parents[1]
    if (root / ".git").exists():
        told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout
        own = runs.environment()["commit"]
        assert own and told.startswith(own)
    for command in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c", "--allow-empty"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    site = tmp_path / "venv" / "site-packages" / "obclip_cli"
    site.mkdir(parents=True)
    monkeypatch.setattr(runs, "__file__", str(site / "runs.py"))
    assert runs.environment()["commit"] is None


@pytest.mark.parametrize("place", ["new/folders/deep", ".", "file/below", "n" * 300])
def test_looking_whether_a_folder_can_be_written_makes_nothing(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    if place in ("file/below", "n" * 300):
        with pytest.raises(UserError, match="choose another folder with -o"):
            runs.check_writable(tmp_path / place)
    else:
        runs.check_writable(tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
