"""What is set for a CUDA device, and that nothing else is touched."""

import os
from collections.abc import Callable

import pytest
import torch

from obclip_cli.diffusion import backend
from tests.conftest import Run, tiny_pipeline


@pytest.fixture
def precision(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked for in place of float32's own multiplication."""
    asked: list[str] = []
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", asked.append)
    monkeypatch.delenv(backend.SWITCH, raising=False)
    return asked


def test_only_a_command_changes_torchs_settings(obclip: Callable[..., Run], precision: list[str]) -> None:
    unet = tiny_pipeline(1, mid_block=True).unet
    backend.prepare(unet, device="cuda")
    assert (torch.backends.cudnn.benchmark, precision) == (False, [])
    assert obclip("--version").code == 0 and os.environ[backend.SWITCH] == "1"
    backend.prepare(unet, device="cpu")
    assert (torch.backends.cudnn.benchmark, precision) == (False, [])
    backend.prepare(unet.to(torch.bfloat16), None, device="cuda:0")
    assert (torch.backends.cudnn.benchmark, precision) == (True, [])  # half precision has no use for TF32
    backend.prepare(unet.to(torch.float32), device="cuda:0")
    assert precision == ["high"]


def test_channels_last_is_for_cuda_and_changes_nothing_but_rounding() -> None:
    unet, sample = tiny_pipeline(1, mid_block=True).unet, torch.ones(2, 4, 8, 8)
    weight, text = unet.conv_in.weight, torch.ones(2, 3, 16)
    with torch.inference_mode():
        plain = unet(sample, 1, encoder_hidden_states=text).sample
        backend.prepare(unet, device="cpu")
        assert not weight.is_contiguous(memory_format=torch.channels_last)
        backend.prepare(unet, device="cuda")
        assert weight.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(unet(sample, 1, encoder_hidden_states=text).sample, plain, rtol=1e-4, atol=1e-5)
