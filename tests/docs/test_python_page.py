"""The face for Python: every line of docs/python.md runs on `mini`; errors are one line."""

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import LCMScheduler, PNDMScheduler, StableDiffusionPipeline

import obclip_cli as obclip
from tests.conftest import tiny_pipeline

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_every_line_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(DOCS / "python.md"), module_relative=False, optionflags=flags)
    assert found.failed == 0 and found.attempted > 10


def test_every_exported_name_is_there() -> None:
    assert {*obclip.__all__} <= {*dir(obclip)}
    assert all(getattr(obclip, name) is not None for name in obclip.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = obclip.nothing


@pytest.fixture(scope="module")
def models() -> tuple[StableDiffusionPipeline, StableDiffusionPipeline]:
    return tiny_pipeline(1, mid_block=True), tiny_pipeline(2, mid_block=False)


def test_the_callers_pipelines_stay_as_they_are(models: tuple[StableDiffusionPipeline, ...]) -> None:
    cloud, device = models
    cloud.scheduler = scheduler = PNDMScheduler.from_config(cloud.scheduler.config)
    before = dict(cloud.config)
    pipe = obclip.ObCLIPPipeline(cloud, device, steps=4, switch_point=2)
    pipe("a man", seed=0)
    assert cloud.scheduler is scheduler and dict(cloud.config) == before
    assert pipe.server.pipeline.unet is cloud.unet


def test_one_seed_is_one_image(models: tuple[StableDiffusionPipeline, ...]) -> None:
    pipe = obclip.ObCLIPPipeline(*models, steps=4, switch_point=2)
    first, again, other = (pipe("an old man", seed=seed) for seed in (0, 0, 1))
    assert first.images == again.images != other.images
    assert first.candidates == tuple(obclip.candidates("an old man", taxonomy="paper"))
    assert torch.equal(first.outcome.latents, again.outcome.latents)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cloud, device: obclip.ObCLIPPipeline.from_pair("minni"), "did you mean mini"),
        (lambda cloud, device: obclip.ObCLIPPipeline(cloud, device, stepps=3), "did you mean steps"),
        (lambda cloud, device: obclip.ObCLIPPipeline(cloud, device, switch_point=26), r"0\.\.25"),
        (lambda cloud, device: obclip.ObCLIPPipeline(cloud, device, taxonomy="papper"), "did you mean paper"),
        (lambda cloud, device: obclip.ObCLIPPipeline(cloud, device.vae), "without a UNet2DConditionModel"),
        (lambda cloud, device: obclip.ObCLIPPipeline(cloud, device)(""), "the prompt is empty"),
        (lambda cloud, device: obclip.candidates("an old man", taxonomy="papper"), "did you mean paper"),
        (lambda cloud, device: obclip.evaluate("mini", dataset="emojy"), "did you mean emoji"),
    ],
)
def test_errors_are_one_line(
    models: tuple[StableDiffusionPipeline, ...], call: Callable[..., object], words: str
) -> None:
    with pytest.raises(obclip.UserError, match=words) as error:
        call(*models)
    assert "\n" not in str(error.value)


def test_a_cloud_with_a_schedule_of_its_own_is_refused() -> None:
    cloud = tiny_pipeline(1, mid_block=True)
    cloud.scheduler = LCMScheduler.from_config(cloud.scheduler.config)
    with pytest.raises(obclip.UserError, match="from_pair"):
        obclip.ObCLIPPipeline(cloud, tiny_pipeline(2, mid_block=False))


def test_a_secret_is_made_when_it_is_first_needed(models: tuple[StableDiffusionPipeline, ...], tmp_path: Path) -> None:
    settings = {"steps": 4, "switch_point": 2, "lambda_": 0.2, "secret_file": str(tmp_path / "secret.key")}
    with pytest.warns(UserWarning, match="made a client secret"):
        pipe = obclip.ObCLIPPipeline(*models, **settings)
    sent = pipe("an old man with light skin", seed=0)
    assert 0 < sent.lambda_ <= 0.2 and sent.candidates == pipe("an old man with light skin", seed=1).candidates
