"""Steps out of range and pairs that cannot work, typed as a user types them: one line, exit code 2, nothing written."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

from tests.conftest import Run, assert_one_line_error, tiny_pipeline

Obclip = Callable[..., Run]
COMMANDS = {
    "generate": ["generate", "a man"],
    "eval": ["eval", "--dataset", "emoji", "dataset.limit=2"],
    "profile": ["profile"],
    "check": ["models", "check", "mini"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def transformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DiT pipeline as diffusers saves it."""
    folder = tmp_path_factory.mktemp("dit")
    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=4, in_channels=4, out_channels=8, num_layers=1, sample_size=8
    )
    DiTPipeline(transformer, tiny_pipeline(1, mid_block=True).vae, DDIMScheduler()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def other_latents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model whose latents are 4x8x8, where mini's are 8x16x16."""
    folder = tmp_path_factory.mktemp("other")
    tiny_pipeline(2, mid_block=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("command", ["generate", "eval", "profile"])
def test_numbers_out_of_range_are_refused_before_anything_is_written(obclip: Obclip, here: Path, command: str) -> None:
    """Which settings are: tests/test_config.py."""
    assert_one_line_error(obclip(*COMMANDS[command], "hybrid.switch_point=26"), "hybrid.switch_point=26", "0..25")
    assert list(here.rglob("*")) == []


@pytest.mark.parametrize("side", ["cloud", "device"])
@pytest.mark.parametrize("command", ["generate", "check"])
def test_a_transformer_pipeline(obclip: Obclip, here: Path, transformer_folder: Path, command: str, side: str) -> None:
    run = obclip(*COMMANDS[command], f"pair.{side}.path={transformer_folder}")
    assert_one_line_error(run, "is a DiTPipeline without a UNet2DConditionModel", "down, mid and up blocks")
    assert list(here.rglob("*")) == []


@pytest.mark.parametrize("side", ["cloud", "device"])
@pytest.mark.parametrize("command", ["generate", "check"])
def test_two_latent_spaces(obclip: Obclip, here: Path, other_latents: Path, command: str, side: str) -> None:
    found = "cloud 4, device 8" if side == "cloud" else "cloud 8, device 4"
    run = obclip(*COMMANDS[command], f"pair.{side}.path={other_latents}")
    assert_one_line_error(run, f"latent spaces differ (latent channels: {found})")
    assert list(here.rglob("*")) == []


def test_eval_with_a_pair_that_cannot_work_writes_no_file(
    obclip: Obclip, here: Path, transformer_folder: Path, other_latents: Path
) -> None:
    for path, words in ((transformer_folder, "is a DiTPipeline"), (other_latents, "latent spaces differ")):
        assert_one_line_error(obclip(*COMMANDS["eval"], f"pair.cloud.path={path}"), words)
        assert not any(found.is_file() for found in here.rglob("*"))


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [("unet", math.nan, "the unet of"), ("vae", math.inf, "the vae of"), ("vae", 1e38, "the decoded images hold NaN")],
)
def test_weights_that_are_not_finite_or_overflow_make_no_picture(
    obclip: Obclip, here: Path, tmp_path: Path, tiny_pair: list[str], part: str, value: float, words: str
) -> None:
    pipeline = tiny_pipeline(2, mid_block=False)
    last = pipeline.unet.conv_out if part == "unet" else pipeline.vae.decoder.conv_out
    torch.nn.init.constant_(last.weight, value)
    pipeline.save_pretrained(tmp_path / "broken")
    run = obclip("generate", "a man", "--no-compare", *tiny_pair, f"pair.device.path={tmp_path / 'broken'}")
    assert_one_line_error(run, words)
    assert not any(found.is_file() for found in here.rglob("*"))
