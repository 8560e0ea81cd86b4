"""Wall-clock measurements: what is measured, not how long it takes."""

import json
from collections.abc import Callable

import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.cost.latency import measure_pair, random_weights, repeated, summarised
from obclip_cli.diffusion.architectures import Architecture, load_architecture
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.random_weights import random_pipeline
from tests.conftest import Run, assert_one_line_error
from tests.tiny_checkpoints import tiny_unet_config


def test_median_and_quartiles() -> None:
    found = summarised([5.0, 1.0, 2.0, 3.0, 4.0])
    assert found == {"median_seconds": 3.0, "lower_quartile_seconds": 2.0, "upper_quartile_seconds": 4.0}
    assert set(summarised([1.5]).values()) == {1.5}


def test_the_warm_up_does_not_count() -> None:
    calls: list[int] = []
    assert len(repeated(lambda: calls.append(1), 3)) == 3
    assert len(calls) == 4


@pytest.mark.parametrize("architecture", ["sd14", "sdxl", "lcm-sdxl"])
def test_random_weights_have_the_architecture_s_shapes(architecture: str) -> None:
    """Shapes as the real text encoders give them, and a UNet that runs on them."""
    model = Architecture(tiny_unet_config(architecture), load_architecture(architecture).text_tokens)
    pipeline = random_pipeline(model, scheduler="dpm_solver", dtype="float32", device="cpu", sample_size=8)
    conditioning = encode_prompts(pipeline, ["a", "b"], 7.0)
    rows = 4 if conditioning.guided else 2
    assert conditioning.prompt_embeds.shape == (rows, 77, model.unet["cross_attention_dim"])
    latents = torch.randn(rows, 4, 8, 8)
    with torch.no_grad():
        result = pipeline.unet(latents, 5, **conditioning.arguments()).sample
    assert result.shape == latents.shape and result.isfinite().all()


def test_both_sides_are_measured_for_their_steps(tiny_pair: list[str]) -> None:
    config = compose_config([*tiny_pair, "hybrid.steps=3", "hybrid.switch_point=2"])
    facts = measure_pair(config, 2, weights=random_weights, repeats=2)
    assert [(row["side"], row["steps"], row["rows"]) for row in facts["rows"]] == [("cloud", 2, 2), ("device", 1, 1)]
    for row in facts["rows"]:
        assert 0 < row["lower_quartile_seconds"] <= row["median_seconds"] <= row["upper_quartile_seconds"]
    weights = sum(p.numel() * 4 for p in random_weights(config.pair, config.pair.cloud).unet.parameters())
    assert facts["peak_memory_bytes"] > weights


def test_the_command_says_where_it_was_measured(obclip: Callable[..., Run], tiny_pair: list[str]) -> None:
    steps = ("hybrid.steps=2", "hybrid.switch_point=1")
    run = obclip("profile", "-N", "2", "--latency", "--repeats", "2", "--json", *steps, *tiny_pair)
    assert run.code == 0, run.err
    facts = json.loads(run.out)["latency"]
    assert facts["environment"]["threads"] == torch.get_num_threads()
    assert facts["weights"] == "real"


def test_random_weights_without_latency_is_an_error(obclip: Callable[..., Run]) -> None:
    assert_one_line_error(obclip("profile", "--random-weights"), "--random-weights", "--latency")
    assert_one_line_error(obclip("profile", "--latency", "--repeats", "0"), "--repeats 0", "at least 1")
