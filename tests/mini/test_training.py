"""The training loop resumes exactly; the device is cut from the cloud; the packaged models load as diffusers'."""

from pathlib import Path

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn

from obclip_cli.cost.macs import pass_macs
from obclip_cli.mini.device_training import BlockOutputs, create_device
from obclip_cli.mini.diffusion_training import create_cloud
from obclip_cli.mini.training import Losses, Recipe, Training
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
    rates = []
    for training.step in range(100):
        rates.append(training.learning_rate())
    assert rates[0] < rates[3] < 0.05 and rates[5] == rates[79] == 0.05 and 0 < rates[99] < 0.005


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
    kept = BlockOutputs([block])
    out = block(torch.ones(1, 2))
    assert torch.equal(kept.outputs[0], out)
    kept.remove()
    block(torch.zeros(1, 2))
    assert torch.equal(kept.outputs[0], out)


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
