"""From latents to pictures: in slices, by the autoencoder's own statistics and precision, and never from NaN."""

import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

from obclip_cli.diffusion import denoise
from obclip_cli.diffusion.denoise import decode
from obclip_cli.errors import UserError
from tests.conftest import tiny_pipeline


@pytest.fixture
def pipeline() -> DiffusionPipeline:
    return tiny_pipeline(1, mid_block=True)


def latents(n: int, value: float | None = None) -> torch.Tensor:
    drawn = torch.randn(n, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return drawn if value is None else torch.full_like(drawn, value)


@pytest.mark.parametrize(("images", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (0, [1] * 5), (64, [5])])
def test_only_so_many_pixels_are_decoded_at_once(
    images: int, sizes: list[int], pipeline: DiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, own = [], pipeline.vae.decode
    monkeypatch.setattr(pipeline.vae, "decode", lambda rows, **more: seen.append(len(rows)) or own(rows, **more))
    whole = decode(pipeline, latents(5))
    seen.clear()
    monkeypatch.setattr(denoise, "PIXELS", images * 16 * 16)
    assert torch.allclose(decode(pipeline, latents(5)), whole, atol=1e-6)
    assert seen == sizes


def test_pictures_are_those_of_diffusers_whatever_the_autoencoders_statistics(pipeline: DiffusionPipeline) -> None:
    mean, std = torch.tensor([0.5, -1.0, 0.0, 2.0]), torch.tensor([2.0, 1.0, 0.5, 3.0])
    plain = latents(2) / pipeline.vae.config.scaling_factor
    pipeline.vae.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    shaped = latents(2) * std.view(1, 4, 1, 1) / pipeline.vae.config.scaling_factor + mean.view(1, 4, 1, 1)
    for expected, settings in ((shaped, {}), (plain + 0.1, {"latents_mean": None, "shift_factor": 0.1})):
        pipeline.vae.register_to_config(**settings)
        images = pipeline.vae.decode(expected, return_dict=False)[0].detach()
        assert torch.equal(decode(pipeline, latents(2)), (images / 2 + 0.5).clamp(0, 1))


@pytest.mark.parametrize(
    ("dtype", "said", "decoded_in"),
    [
        (torch.float16, {"force_upcast": True}, torch.float32),
        (torch.float16, {"force_upcast": False}, torch.float16),
        (torch.float16, {}, torch.float16),  # diffusers' default is true, SD v1.4's file does not say
        (torch.bfloat16, {"force_upcast": True}, torch.bfloat16),
    ],
)
def test_only_what_the_file_says_is_decoded_in_float32(
    dtype: torch.dtype, said: dict[str, bool], decoded_in: torch.dtype, pipeline: DiffusionPipeline
) -> None:
    config = {
        key: value for key, value in pipeline.vae.config.items() if key[0] != "_" and key != "force_upcast"
    } | said
    pipeline.vae = AutoencoderKL.from_config(config).to(dtype)
    seen = []
    pipeline.vae.post_quant_conv.register_forward_hook(lambda module, _, out: seen.append(out.dtype))
    assert decode(pipeline, latents(1)).dtype == torch.float32
    assert seen == [decoded_in] and pipeline.vae.dtype == dtype


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_make_no_picture(value: float, pipeline: DiffusionPipeline) -> None:
    with pytest.raises(UserError, match=r"the latents hold NaN or infinity; try pair.dtype=fp32"):
        decode(pipeline, latents(2, value))


def test_neither_does_an_autoencoder_that_overflows(pipeline: DiffusionPipeline) -> None:
    with torch.no_grad():
        pipeline.vae.decoder.conv_out.weight.fill_(1e38)
    with pytest.raises(UserError, match=r"the decoded images hold NaN or infinity"):
        decode(pipeline, latents(1))
