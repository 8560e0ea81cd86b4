"""What a run folder says of itself."""

import json
import os
from pathlib import Path

import pytest

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.diffusion import hub
from tests.fake_hub import COMMIT, serve
from tests.tiny_checkpoints import save_tiny


def test_a_finished_run_counts_until_the_weights_change(tiny_pair: list[str], tmp_path: Path) -> None:
    config = compose_config(tiny_pair)
    assert not runs.is_finished(tmp_path, config)
    runs.mark_finished(tmp_path, config)
    assert runs.is_finished(tmp_path, config)
    weights = Path(config.pair.device.path) / "unet" / "diffusion_pytorch_model.safetensors"
    os.utime(weights, (1, 1))
    assert not runs.is_finished(tmp_path, config)


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
