"""What the parties are told is what diffusers does."""

from dataclasses import replace

import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.diffusion.denoise import State, Stretch, denoise_by_step
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.secure.plan import Variant, check_supported, secrets_of, solver_weights, unet_file

STRETCH = Stretch(25, 0, 4, 2.0)


def test_steps_are_the_solvers_own(tiny_pair: list[str]) -> None:
    """Each step as a linear map of latents, prediction and the last clean latents, with the real UNet."""
    pipeline = load_pipeline(compose_config(tiny_pair).pair.cloud, dtype="float32", device="cpu")
    secret = secrets_of(pipeline, "a man", STRETCH, seed=3)
    words = torch.from_numpy(secret["words"])
    latents = torch.from_numpy(secret["latents"]).permute(0, 3, 1, 2)
    clean = torch.zeros_like(latents)
    for step, state in zip(
        solver_weights(pipeline, STRETCH), denoise_by_step(pipeline, ["a man"], STRETCH, seeds=[3]), strict=True
    ):
        with torch.inference_mode():
            none, some = pipeline.unet(torch.cat([latents] * 2), step["timestep"], words).sample.chunk(2)
        prediction, solver = none + 2.0 * (some - none), step["solver"]
        last, clean = clean, solver[0] * latents + solver[1] * prediction
        latents = solver[2] * latents + solver[3] * prediction + solver[4] * last
        assert isinstance(state, State) and state.history is not None
        torch.testing.assert_close(clean, state.history, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(latents, state.latents, rtol=1e-4, atol=1e-4)


def test_other_models_are_refused(tiny_pair: list[str]) -> None:
    pipeline = load_pipeline(compose_config(tiny_pair).pair.cloud, dtype="float32", device="cpu")
    check_supported(pipeline, STRETCH)
    pipeline.unet.register_to_config(addition_embed_type="text_time")
    with pytest.raises(UserError, match="try --pair mini"):
        check_supported(pipeline, STRETCH)
    with pytest.raises(UserError, match="try --pair mini"):
        check_supported(pipeline, replace(STRETCH, guidance_scale=1.0))


def test_variants_and_weights_have_names() -> None:
    assert Variant("ABY3", "secret", 5).name == "aby3-secret-5" and Variant("SEMI2K", "public", 1).parties == 2
    assert unet_file(compose_config()).stat().st_size > 1e6
