"""Fixtures: a tiny random pair in diffusers' own format, so that tests need neither weights nor network."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from filelock import FileLock
from hypothesis import settings
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from obclip_cli.config import taxonomy_path
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy

# Properties are tried on few examples; on more with `pytest --hypothesis-profile=ci`.
settings.register_profile("few", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.load_profile("few")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all test processes of a run."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session", autouse=True)
def own_cache(shared_folder: Path) -> Iterator[None]:
    """Reference statistics and counts are cached here, not in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared_folder / "cache"))
        yield


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load_taxonomy(taxonomy_path("emoji"))


def byte_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer without merges: one token a byte."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *alphabet, *(f"{byte}</w>" for byte in alphabet)]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=64)


def tiny_pipeline(seed: int, *, mid_block: bool) -> StableDiffusionPipeline:
    """A random Stable Diffusion pipeline of 8x8 latents; the VAE and text encoder do not depend on `seed`."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        sample_size=16,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn" if mid_block else None,
        block_out_channels=(8, 16),
        layers_per_block=1,
        attention_head_dim=2,
        norm_num_groups=4,
        cross_attention_dim=16,
    )
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="session")
def tiny_pair(shared_folder: Path) -> list[str]:
    """Overrides that point the pair at two tiny random models on disk, made by the first test process."""
    folder = shared_folder / "pair"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            tiny_pipeline(1, mid_block=True).save_pretrained(folder / "cloud")
            tiny_pipeline(2, mid_block=False).save_pretrained(folder / "device")
    return [f"pair.cloud.path={folder / 'cloud'}", f"pair.device.path={folder / 'device'}"]


@pytest.fixture
def obclip(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., "Run"]:
    """Run the command line in this process as a user would type it."""

    def call(*arguments: str) -> Run:
        from obclip_cli.main import run

        monkeypatch.setattr("sys.argv", ["obclip", *arguments])
        capfd.readouterr()
        try:
            run()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return Run(code, out, err)

    return call


READ_ONLY: list[Path] = []


def _as_read_only(event: str, arguments: tuple[object, ...]) -> None:
    """What Python reports of every file that is opened, made or removed; root may write whatever a mode says."""
    if not READ_ONLY or event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime"):
        return
    path, writes = (
        arguments[0],
        event != "open" or bool(int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)),
    )
    if writes and isinstance(path, str | os.PathLike) and Path(path).absolute().is_relative_to(READ_ONLY[-1]):
        raise OSError(errno.EROFS, "Read-only file system")


sys.addaudithook(_as_read_only)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written below a folder, by whatever call."""
    READ_ONLY.append(folder)
    try:
        yield
    finally:
        READ_ONLY.clear()


class Run:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


def assert_one_line_error(run: Run, *words: str) -> None:
    """Exit code 2, and one line on stderr that holds `words`."""
    lines = [line for line in run.err.splitlines() if line.strip() and not line.startswith("warning:")]
    assert run.code == 2, run.err
    assert len(lines) == 1, run.err
    assert lines[0].startswith("obclip: ")
    for word in words:
        assert word in lines[0], lines[0]
