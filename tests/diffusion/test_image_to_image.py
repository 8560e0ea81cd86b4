"""Pictures as latents: noise as diffusers adds it, and a blend that changes low frequencies only."""

import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.data import load_dataset
from obclip_cli.diffusion.denoise import decode
from obclip_cli.diffusion.image_to_image import Blend, encode, low, noised, places_of
from obclip_cli.diffusion.models import load_pipeline, with_solver
from tests.conftest import tiny_pipeline

STEPS = 10


def test_noise_is_added_as_diffusers_does() -> None:
    pipeline = with_solver(tiny_pipeline(1, mid_block=True))
    clean, noise = torch.randn(2, 3, 4, 8, 8)
    pipeline.scheduler.set_timesteps(STEPS)
    for place in (0, 4, 9):
        at = pipeline.scheduler.timesteps[[place] * 3]
        expected = pipeline.scheduler.add_noise(clean, noise, at)
        assert torch.allclose(noised(pipeline, clean, noise, place, STEPS), expected, atol=1e-5)


@pytest.mark.parametrize("strength", [0.04, 0.2, 0.28, 0.6, 0.96, 1.0])
def test_strength_counts_as_in_diffusers(strength: float) -> None:
    assert places_of(strength, 25) == 25 - round(25 * strength)


def test_a_blend_takes_low_frequencies_of_the_noised_picture_and_leaves_the_others() -> None:
    pipeline = with_solver(tiny_pipeline(1, mid_block=True))
    clean, noise, own = torch.randn(3, 2, 4, 8, 8)
    blend = Blend(pipeline, clean, noise, last=4, steps=STEPS, cells=2)
    found, picture = blend(own, 4), noised(pipeline, clean, noise, 4, STEPS)
    assert torch.allclose(low(found, 2), low(picture, 2), atol=1e-5)
    assert torch.allclose(found - low(found, 2), own - low(own, 2), atol=1e-5)
    assert blend(own, 5) is own


def test_a_picture_comes_out_of_its_latents_again() -> None:
    config = compose_config([])
    (picture, *_) = next(iter(load_dataset(config.dataset).references(0))).float() / 255  # type: ignore[call-overload]
    pipeline = load_pipeline(config.pair.device, dtype="float32", device="cpu")
    again = decode(pipeline, encode(pipeline, picture[None]))
    assert (again - picture).square().mean() < 0.003  # 25 dB
