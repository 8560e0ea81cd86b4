"""Others' accelerations on our loop: they act, repeat themselves and leave the model as it was."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.diffusion.denoise import Stretch, denoise
from obclip_cli.errors import UserError
from obclip_cli.reproduction import peers
from tests.conftest import tiny_pipeline

PROMPTS, SEEDS = ["a man", "a woman"], [1, 2]
STRETCH = Stretch(8, 0, 6, 3.0)


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    made = tiny_pipeline(1, mid_block=True)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize(
    ("peer", "settings", "nothing"),
    [
        ("deepcache", {"interval": 2, "branch": 0}, {"interval": 1, "branch": 0}),
        ("tgate", {"gate": 3}, {"gate": 8}),
        ("pab", {"spatial": 2, "cross": 4}, {"spatial": 1, "cross": 1}),
    ],
)
def test_each_is_put_on_and_taken_off(
    pipeline: StableDiffusionPipeline, peer: str, settings: dict[str, int], nothing: dict[str, int]
) -> None:
    pytest.importorskip(peers.PACKAGES[peer])
    plain = denoise(pipeline, PROMPTS, STRETCH, seeds=SEEDS).latents
    first, again = (peers.states(peer, settings, pipeline, PROMPTS, STRETCH, SEEDS) for _ in range(2))
    assert torch.equal(first, again) and not torch.allclose(first, plain, atol=1e-3)
    assert not any(name in vars(module) for module in pipeline.unet.modules() for name in peers.LEFT)
    assert not hasattr(pipeline, "tgate") and not pipeline.unet._forward_pre_hooks
    assert torch.equal(denoise(pipeline, PROMPTS, STRETCH, seeds=SEEDS).latents, plain)
    if peer != "tgate":  # which caches self-attention before its gate too
        off = peers.states(peer, nothing, pipeline, PROMPTS, STRETCH, SEEDS)
        assert torch.allclose(off, plain, atol=1e-4)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PACKAGES, "tgate", "no_such_package")
    with pytest.raises(UserError, match=r"no_such_package is not installed; pip install 'obclip\[peers\]'"):
        peers.check_installed(["pab", "tgate"])
