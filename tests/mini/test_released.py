"""Going on from the packaged weights, and the record that the model card quotes."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from obclip_cli.mini import released
from obclip_cli.mini.training import start_of
from obclip_cli.resources import package_folder

WEIGHTS = package_folder() / "mini" / "weights"


def test_adopted_weights_are_the_packaged_ones(tmp_path: Path) -> None:
    released.adopt(tmp_path)
    packaged = StableDiffusionPipeline.from_pretrained(WEIGHTS / "mini-cloud", dtype=torch.float32, safety_checker=None)
    start = UNet2DConditionModel.from_pretrained(start_of(tmp_path / "cloud") / "unet")
    for name, weight in packaged.unet.state_dict().items():
        assert torch.equal(start.state_dict()[name], weight)
    small = UNet2DConditionModel.from_pretrained(start_of(tmp_path / "device"))
    assert small.config.layers_per_block == 1
    assert small.dtype == torch.float32
    assert json.loads((start_of(tmp_path / "device") / "progress.json").read_text())["steps"] > 0
    vae = AutoencoderKL.from_pretrained(tmp_path / "models" / "autoencoder")
    assert vae.config.scaling_factor == packaged.vae.config.scaling_factor
    assert [made.name for made in (tmp_path / "models").iterdir()] == ["autoencoder"]


def test_the_record_adds_what_went_before_and_keeps_adopted_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released, "package_folder", lambda: tmp_path / "package")
    (tmp_path / "package" / "mini" / "training_record").mkdir(parents=True)
    build = tmp_path / "build"
    (build / "cloud" / "start").mkdir(parents=True)
    (build / "cloud" / "loss.png").write_bytes(b"curve")
    (build / "cloud" / "progress.json").write_text('{"steps": 5, "images": 50, "minutes": 1.5}')
    (build / "cloud" / "start" / "progress.json").write_text('{"steps": 10, "images": 100, "minutes": 2.0}')
    released.keep_record(build, ["judge", "cloud"])
    record = released.training_record()
    assert json.loads((record / "cloud.json").read_text()) == {"steps": 15, "images": 150, "minutes": 3.5}
    assert not (record / "judge.json").exists()


def test_nothing_to_adopt_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "package_folder", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match="no released weights"):
        released.adopt(tmp_path / "build")
