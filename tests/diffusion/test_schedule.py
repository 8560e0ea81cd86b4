"""One schedule for both sides: taken from the cloud, or refused where the models were trained on different noise."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diffusers import DiffusionPipeline

from obclip_cli.config import HybridConfig
from obclip_cli.diffusion.models import SCHEDULERS
from obclip_cli.diffusion.pairs import compose_pair, inspect_pair
from obclip_cli.diffusion.schedule import noise_levels, schedule_in_words, share_schedule
from obclip_cli.errors import UserError
from obclip_cli.pipeline import load_pipelines
from tests.conftest import tiny_pipeline

NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
PAIR = compose_pair("mini")


def with_schedule(kind: str = "dpm_solver", **settings: Any) -> DiffusionPipeline:
    pipeline = tiny_pipeline(1, mid_block=True)
    pipeline.scheduler = SCHEDULERS[kind](**NOISE | settings)
    return pipeline


def at_hand_over(pipeline: DiffusionPipeline) -> float:
    return noise_levels(pipeline.scheduler, HybridConfig.steps)[HybridConfig.switch_point]


@pytest.mark.parametrize(
    "settings",
    [
        {"use_karras_sigmas": True},
        {"timestep_spacing": "leading"},
        {"timestep_spacing": "trailing"},
        {"solver_order": 1},
    ],
)
@pytest.mark.parametrize("side", ["cloud", "device"])
def test_the_device_takes_the_clouds_schedule_and_says_so(
    side: str, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    on_cloud, on_device = (settings, {}) if side == "cloud" else ({}, settings)
    cloud, device = with_schedule(**on_cloud), with_schedule(**on_device, prediction_type="v_prediction")
    expected = at_hand_over(cloud)
    at_another_level = settings in ({"use_karras_sigmas": True}, {"timestep_spacing": "leading"})
    assert (at_hand_over(device) != expected) == at_another_level  # 25 steps of the other kinds meet at the tenth
    with caplog.at_level(logging.WARNING):
        share_schedule(cloud, device)
    assert at_hand_over(device) == at_hand_over(cloud) == expected
    assert device.scheduler.config.prediction_type == "v_prediction"  # its own
    (key,) = settings
    assert caplog.messages == [f"warning: {schedule_in_words(PAIR, device.scheduler)}"]
    assert (
        f"the device runs on the cloud's schedule ({key} {cloud.scheduler.config[key]}, its own" in caplog.messages[0]
    )


def test_one_schedule_stays_untouched(caplog: pytest.LogCaptureFixture) -> None:
    cloud, device = with_schedule(), with_schedule()
    device.scheduler.register_to_config(skip_prk_steps=True)  # of the solver that it was made from
    before = device.scheduler
    share_schedule(cloud, device)
    assert device.scheduler is before and caplog.messages == []
    assert schedule_in_words(PAIR, device.scheduler) == "both sides run on one schedule"


@pytest.mark.parametrize(
    "settings",
    [{"beta_schedule": "linear"}, {"beta_end": 0.02}, {"num_train_timesteps": 500}, {"rescale_betas_zero_snr": True}],
)
def test_models_trained_on_different_noise_are_refused(settings: dict[str, Any]) -> None:
    (key,) = settings
    with pytest.raises(UserError, match=rf"trained on different noise \({key}: cloud {settings[key]}, device "):
        share_schedule(with_schedule(**settings), with_schedule())


def test_a_cloud_of_another_solver_keeps_its_schedule() -> None:
    cloud, device = with_schedule("lcm"), with_schedule(timestep_spacing="trailing")
    before = device.scheduler
    share_schedule(cloud, device)
    assert device.scheduler is before
    lcm = replace(PAIR, cloud=replace(PAIR.cloud, steps=8))
    assert schedule_in_words(lcm, before) == "the cloud runs on its own schedule of 8 steps, the device on its own"
    with pytest.raises(UserError, match="different noise"):
        share_schedule(cloud, with_schedule(beta_end=0.02))


def test_repositories_of_two_schedules_are_one_pair(tmp_path: Path) -> None:
    """As files: karras sigmas in the cloud's scheduler_config.json."""
    for name in ("cloud", "device"):
        tiny_pipeline(1, mid_block=True).save_pretrained(tmp_path / name)
    file = tmp_path / "cloud" / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"use_karras_sigmas": True}))
    pair = compose_pair("mini", [f"pair.{name}.path={tmp_path / name}" for name in ("cloud", "device")])
    cloud, device = load_pipelines(pair)
    assert cloud.scheduler.config.use_karras_sigmas and at_hand_over(cloud) == at_hand_over(device)
    said = "the device runs on the cloud's schedule (use_karras_sigmas True, its own is False)"
    assert inspect_pair(pair)["schedule"] == schedule_in_words(pair, device.scheduler) == said
