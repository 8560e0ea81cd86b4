"""Composition, checks, and errors that help."""

from pathlib import Path

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import plain
from obclip_cli.errors import UserError
from obclip_cli.resources import data_folder


def test_defaults_are_the_papers() -> None:
    config = compose_config()
    assert (config.hybrid.steps, config.hybrid.switch_point, config.hybrid.order) == (25, 10, "server_first")
    assert (config.privacy.strategy, config.privacy.lambda_) == ("all", 0.0)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["pair=minni"], ["no pair minni", "did you mean mini"]),
        (["dataset=imagenet"], ["no dataset imagenet", "coco"]),
        (["hybrid.switchpoint=3"], ["hybrid.switchpoint", "did you mean switch_point"]),
        (["hybird.steps=3"], ["hybird", "did you mean hybrid"]),
        (["pair.cloud.pth=x"], ["pair.cloud.pth", "did you mean path"]),
        (["hybrid.switch_point=26"], ["hybrid.switch_point=26", "0..25"]),
        (["hybrid.switch_point=-1"], ["hybrid.switch_point=-1"]),
        (["hybrid.switch_point=ten"], ["ten", "int"]),
        (["hybrid.steps=0"], ["hybrid.steps=0"]),
        (["hybrid.order=sideways"], ["sideways", "server_first"]),
        (["privacy.strategy=hope"], ["hope", "all, bucket"]),
        (["privacy=all", "privacy.lambda=0.2"], ["privacy.lambda=0.2", "bucket"]),
        (["privacy.lambda=1"], ["privacy.lambda=1"]),
        (["privacy.epsilon=2"], ["privacy.epsilon=2", "dp"]),
        (["privacy=dp", "privacy.epsilon=-1"], ["privacy.epsilon=-1"]),
        (["privacy.detector=rulez"], ["rulez", "did you mean rules"]),
        (["privacy.max_candidates=0"], ["privacy.max_candidates=0"]),
        (["cache.cache_point=11"], ["cache.cache_point", "1..10"]),
        (["cloud.batch=1"], ["cloud.batch=1", "at least 2"]),
        (["seed=-1"], ["seed=-1"]),
        (["+hybrid.speed=3"], ["hybrid.speed"]),
        (["nonsense"], ["nonsense", "group.key=value"]),
    ],
)
def test_bad_settings_are_one_line(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        compose_config(overrides)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_what_is_written_composes_again_to_the_same() -> None:
    config = compose_config(["hybrid.switch_point=5", "seed=3"])
    flat = [f"{g}.{k}={'null' if v is None else v}" for g in ("hybrid", "privacy") for k, v in plain(config)[g].items()]
    assert compose_config([*flat, "seed=3"]) == config


@pytest.mark.parametrize(
    "path", sorted(data_folder("configs").glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_every_config_file_composes(path: Path) -> None:
    """At the smallest switch point of the paper, which every cloud's schedule and every preset allows but one."""
    switch_point = 10 if path.stem == "paper_k10" else 5
    config = compose_config([f"{path.parent.name}={path.stem}", f"hybrid.switch_point={switch_point}"])
    assert config.hybrid.steps == 25


@pytest.mark.parametrize(
    "override",
    [
        *("hybrid.steps=20", "hybrid.switch_point=3", "privacy=none", "seed=5", "cloud.batch=2"),
        *("privacy.max_candidates=3", "privacy.lambda=0.1", "privacy=dp", "privacy.secret_file=x"),
        "privacy.detector=owner/model",
    ],
)
def test_every_override_changes_the_composed_config(override: str) -> None:
    assert compose_config([override]) != compose_config()


def test_lambda_decides_between_all_and_bucket() -> None:
    assert compose_config().privacy.strategy == "all"
    assert compose_config(["privacy.lambda=0.1"]).privacy.strategy == "bucket"


def test_a_setting_that_a_file_leaves_out_can_be_set() -> None:
    config = compose_config(["pair.cloud.steps=8", "pair.device.guidance_scale=2", "hybrid.switch_point=4"])
    assert (config.pair.cloud.steps, config.pair.device.guidance_scale) == (8, 2.0)
