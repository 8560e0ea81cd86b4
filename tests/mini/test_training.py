"""The training loop resumes exactly; the device is cut from the cloud; the packaged models load as diffusers'."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from obclip_cli.cost.macs import pass_macs
from obclip_cli.data import Sample
from obclip_cli.mini import check, diffusion_training
from obclip_cli.mini.autoencoder import held_out_psnr, train_decoder
from obclip_cli.mini.captions import tokenize
from obclip_cli.mini.check import missed_roles, right_tones
from obclip_cli.mini.device_training import block_outputs, create_device, train_device
from obclip_cli.mini.diffusion_training import (
    MIRRORED,
    NOISE,
    NOISE_ALONE,
    OFTENER,
    Examples,
    capped_snr_weights,
    create_cloud,
    draw_weights,
    noised,
    train_cloud,
)
from obclip_cli.mini.training import Losses, Recipe, Training, autocast, keep_norms_in_fp32, start_of
from obclip_cli.resources import package_folder

WEIGHTS = package_folder() / "mini" / "weights"


def line_fit(folder: Path, steps: int) -> Training:
    """Fit a line to noisy points."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1)

    def loss(generator: torch.Generator) -> Losses:
        x = torch.randn(16, 1, generator=generator)
        return {"mse": (model(x) - 3 * x - 1).square().mean()}

    return Training("line", model, Recipe(steps, 16, 0.05, warmup=5, weight_decay=0.0), folder, loss)


def test_a_stopped_training_goes_on_as_if_unbroken(tmp_path: Path) -> None:
    whole = line_fit(tmp_path / "whole", 60)
    assert whole.run()
    first = line_fit(tmp_path / "parts", 60)
    for _ in range(25):
        first._one_step()
    first.save()
    second = line_fit(tmp_path / "parts", 60)
    assert second.step == 25 and second.run()
    assert [h["loss"] for h in second.history] == [h["loss"] for h in whole.history]
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "parts" / "loss.png").exists()


def test_training_learns_and_the_average_is_put_in_place(tmp_path: Path) -> None:
    training = line_fit(tmp_path, 300)
    training.run()
    training.use_average()
    assert training.history[-1]["loss"] < 0.05 < training.history[0]["loss"]


def test_learning_rate_warms_up_stays_and_decays(tmp_path: Path) -> None:
    training = line_fit(tmp_path, 100)
    rates = [training.learning_rate() for training.step in range(100)]
    assert rates[0] < rates[3] < 0.05 and rates[5] == rates[79] == 0.05 and 0 < rates[99] < 0.005


def test_norms_compute_in_fp32_under_autocast() -> None:
    norm = nn.GroupNorm(2, 4)
    picture = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    keep_norms_in_fp32(nn.Sequential(norm))
    with torch.autocast("cpu", torch.bfloat16):
        normed = norm(picture.bfloat16())
    assert normed.dtype == torch.float32
    torch.testing.assert_close(normed, nn.GroupNorm(2, 4)(picture.bfloat16().float()))


@pytest.mark.parametrize("native", [True, False])
def test_autocast_is_on_where_a_cpu_multiplies_bf16_and_leaves_fused_attention_out(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with autocast(torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu") == native
        assert torch.backends.cuda.flash_sdp_enabled() != native  # PyTorch's switch for the CPU's kernel too
    assert not torch.is_autocast_enabled("cpu") and torch.backends.cuda.flash_sdp_enabled()


def test_tones_are_drawn_evenly_within_styles_however_many_pictures_there_are() -> None:
    groups = [("noto", "dark")] * 7 + [("noto", "")] * 2 + [("fluent-3d", "medium")] + [("fluent-3d", "light")] * 3
    table = pd.DataFrame(groups, columns=["style", "tone"]).assign(category="person", role="cook")
    table = pd.concat([table, pd.DataFrame([{"style": "noto", "tone": "", "category": "other", "role": "ball"}])])
    weights = pd.Series(draw_weights(table.reset_index(drop=True)).tolist())
    shares = weights[:13].groupby(pd.Series(groups)).sum().to_dict()
    assert shares == pytest.approx({group: OFTENER.get(group, 1.0) for group in set(groups)})
    assert weights[13] == 0


def test_poses_with_a_mirrored_twin_are_drawn_oftener_and_tones_stay_even() -> None:
    roles = ["walking", "walking facing right", "cook", "pilot", "walking", "cook"]
    table = pd.DataFrame({"role": roles, "style": "noto", "tone": ["dark"] * 4 + ["light"] * 2, "category": "person"})
    weights = draw_weights(table)
    assert weights[0] == weights[1] == MIRRORED * weights[2] == MIRRORED * weights[3]
    assert weights[4] == MIRRORED * weights[5]
    assert weights[:4].sum().item() == pytest.approx(weights[4:].sum().item())


def test_a_share_of_the_batch_begins_where_sampling_does_and_is_to_find_the_picture_there() -> None:
    scheduler, latents = DDPMScheduler(**NOISE), torch.full((2000, 1, 2, 2), 3.0)
    generator = torch.Generator().manual_seed(0)
    noisy, timesteps, velocity = noised(scheduler, latents, generator, torch.device("cpu"), NOISE_ALONE)
    kept = scheduler.alphas_cumprod[timesteps][:, None, None, None]
    noise = (noisy - kept.sqrt() * latents) / (1 - kept).sqrt()
    implied = kept.sqrt() * noise - (1 - kept).sqrt() * latents
    alone = (implied - velocity).abs().amax((1, 2, 3)) > 1e-4
    assert alone.float().mean().item() == pytest.approx(NOISE_ALONE, abs=0.02)
    assert (timesteps[alone] == 999).all()
    assert noisy[alone].mean().item() == pytest.approx(0, abs=0.1)  # nothing of the picture is in it
    clean = kept.sqrt() * noisy - (1 - kept).sqrt() * velocity
    assert clean[alone].mean().item() == pytest.approx(3, rel=0.02)
    assert timesteps[~alone].float().mean().item() == pytest.approx(499.5, abs=20)


def test_the_cloud_is_shown_noise_alone_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = StableDiffusionPipeline.from_pretrained(WEIGHTS / "mini-cloud", safety_checker=None).tokenizer
    shown = []

    def record(unet: UNet2DConditionModel, arguments: tuple[torch.Tensor, ...]) -> None:
        shown.append(arguments[1])

    def watched(latent_channels: int) -> UNet2DConditionModel:
        unet = create_cloud(latent_channels)
        unet.register_forward_pre_hook(record)
        return unet

    monkeypatch.setattr(diffusion_training, "create_cloud", watched)
    tokens, all_rows = tokenize(tokenizer, ["a woman", "a man", "a cat", ""]), torch.ones(3)
    examples = Examples(torch.randn(3, 8, 16, 16), tokens[:3, None], all_rows, all_rows, tokens[3])
    assert train_cloud(examples, tokenizer, tmp_path, Recipe(1, 64, 1e-9)) is not None
    assert (shown[0] == 999).sum() > 0.1 * 64  # stratified draws alone give one of 64


def test_the_loss_weighs_noise_evenly_and_details_no_more_than_the_cap() -> None:
    scheduler = DDPMScheduler(**NOISE)
    kept, snr = scheduler.alphas_cumprod, scheduler.alphas_cumprod / (1 - scheduler.alphas_cumprod)
    weights = capped_snr_weights(scheduler, torch.arange(1000))
    assert torch.equal(weights[snr <= 5], torch.ones(int((snr <= 5).sum())))
    torch.testing.assert_close(weights[snr > 5], 6 * (1 - kept[snr > 5]), rtol=1e-4, atol=0)


def test_right_tones_are_counted_by_style_and_tone() -> None:
    asked = [("Noto", "dark"), ("Noto", "dark"), ("Fluent 3D", "light"), ("Fluent 3D", "dark")]
    samples = [Sample(f"a cook with {tone} skin, {style} style", 0, {"tone": tone}) for style, tone in asked]
    shares = right_tones(pd.Series([1.0, 0.0, 1.0, 1.0]), samples)
    assert shares.loc["Noto", "dark"] == 0.5 and shares.loc["Fluent 3D", "all"] == 1
    assert shares.loc["all", "dark"] == 0.667 and shares.loc["all", "all"] == 0.75


def test_missed_roles_are_counted_and_others_left_out() -> None:
    asked = [{"role": "cook"}, {"role": "walking"}, {"role": "walking"}, {"role": "cook"}, {"tone": "dark"}]
    samples = [Sample("a prompt", 0, labels) for labels in asked]
    missed = missed_roles(pd.Series([1.0, 0.0, 1.0, 1.0, float("nan")]), samples)
    assert missed.to_dict("index") == {"walking": {"missed": 1, "images": 2}}


def test_a_model_is_compared_with_the_released_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(WEIGHTS / "reference", tmp_path / "reference")
    monkeypatch.setattr(check, "PROMPTS", 2)
    table = check.compare(tmp_path, {"step-1": str(WEIGHTS / "mini-device")}, judge=str(WEIGHTS / "judge"))
    assert list(table) == ["released", "step-1"]
    assert table.loc["fid", "released"] != table.loc["fid", "step-1"]
    assert pd.read_csv(tmp_path / "scores.csv")["all all"].between(0, 1).all()
    with Image.open(tmp_path / check.SHEET) as sheet:
        assert sheet.width > 64 * 2  # two prompts


def test_the_device_starts_from_the_clouds_weights_and_costs_at_most_a_third() -> None:
    cloud = create_cloud(8)
    device = create_device(cloud)
    assert device.mid_block is None
    for name in ("conv_in.weight", "down_blocks.1.attentions.0.proj_in.weight", "conv_out.weight"):
        assert torch.equal(device.state_dict()[name], cloud.state_dict()[name])
    last_pair = "resnets.{}.conv2.weight"
    assert torch.equal(
        device.state_dict()["up_blocks.1." + last_pair.format(1)],
        cloud.state_dict()["up_blocks.2." + last_pair.format(2)],
    )
    shared = sum(torch.equal(device.state_dict()[k], v) for k, v in create_device(cloud).state_dict().items())
    assert shared > 0.9 * len(device.state_dict())
    assert pass_macs(device.config, 24).total <= pass_macs(cloud.config, 24).total / 3


def test_block_outputs_are_kept_and_hooks_come_off() -> None:
    block = nn.Linear(2, 2)
    with block_outputs([block]) as kept:
        out = block(torch.ones(1, 2))
    block(torch.zeros(1, 2))
    assert torch.equal(kept[block], out)


def test_only_the_decoder_is_fitted_to_whole_pictures(tmp_path: Path) -> None:
    vae = AutoencoderKL.from_pretrained(WEIGHTS / "mini-cloud" / "vae", dtype=torch.float32)
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    squares = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    images = squares.repeat(8, axis=1).repeat(8, axis=2)
    sharp = held_out_psnr(vae, images[:4])
    table, recipe = pd.DataFrame({"held_out": [False] * 4 + [True] * 2}), Recipe(12, 4, 2e-3, warmup=1, ema_decay=0.5)
    fitted = train_decoder(vae, images, table, tmp_path, recipe)
    assert fitted is not None and fitted.config.scaling_factor == vae.config.scaling_factor
    kept = {name: torch.equal(weight, before[name]) for name, weight in fitted.state_dict().items()}
    assert all(same for name, same in kept.items() if name.startswith(("encoder", "quant_conv")))
    assert not any(same for name, same in kept.items() if name.startswith("decoder") and name.endswith("weight"))
    assert held_out_psnr(fitted, images[:4]) > sharp + 0.5


def test_the_device_goes_on_from_what_lies_in_start(tmp_path: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(WEIGHTS / "mini-cloud", dtype=torch.float32, safety_checker=None)
    started = UNet2DConditionModel.from_pretrained(WEIGHTS / "mini-device" / "unet", dtype=torch.float32)
    started.save_pretrained(start_of(tmp_path))
    tokens, all_rows = tokenize(pipeline.tokenizer, ["a woman", "a man", "a cat", ""]), torch.ones(3)
    examples = Examples(torch.randn(3, 8, 16, 16), tokens[:3, None], all_rows, all_rows, tokens[3])
    trained = train_device(pipeline.unet, pipeline.text_encoder, examples, tmp_path, Recipe(1, 8, 1e-9))
    assert trained is not None
    for name, weight in trained.state_dict().items():
        torch.testing.assert_close(weight, started.state_dict()[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["mini-cloud", "mini-device"])
def test_packaged_models_are_stock_pipelines_in_fp16(name: str) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(WEIGHTS / name, safety_checker=None)
    assert isinstance(pipeline.scheduler, DPMSolverMultistepScheduler)
    assert (pipeline.unet.config.sample_size, 2 ** (len(pipeline.vae.config.block_out_channels) - 1)) == (16, 4)
    stored = load_file(WEIGHTS / name / "unet" / "diffusion_pytorch_model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}


def test_packaged_weights_stay_small_and_the_device_cheap() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*")) < 60e6
    cloud, device = (
        UNet2DConditionModel.load_config(WEIGHTS / name, subfolder="unet") for name in ("mini-cloud", "mini-device")
    )
    assert pass_macs(device, 24).total <= pass_macs(cloud, 24).total / 3


def test_words_and_not_the_noise_say_which_way_the_released_cloud_draws_a_person() -> None:
    weights = package_folder() / "mini" / "weights" / "mini-cloud"
    pipe = StableDiffusionPipeline.from_pretrained(weights, dtype=torch.float32, safety_checker=None)
    noise = torch.randn(16, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    foretold = []
    for pose in ("walking", "walking facing right"):
        tokens = tokenize(pipe.tokenizer, [f"a man {pose} with light skin, Twemoji style"])
        with torch.no_grad():
            embeds = pipe.text_encoder(tokens).last_hidden_state.expand(16, -1, -1)
            foretold.append(-pipe.unet(noise, 999, embeds).sample)  # at the last step about the clean latents
    left, right = foretold
    axis = right.mean(0) - left.mean(0)
    along_left, along_right = ((latents * axis).sum((1, 2, 3)) for latents in (left, right))
    assert along_left.max() < along_right.min()  # with the weights before, which were never shown noise alone, they mix
