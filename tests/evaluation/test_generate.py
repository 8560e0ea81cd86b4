"""The batched generation of evaluation gives the images of the whole scheme."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.compose import compose_config
from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.data import Sample
from obclip_cli.evaluation.generate import Work, load_pair, outstanding, run_work, step_rows
from obclip_cli.evaluation.methods import Method, baselines_and_obclip
from obclip_cli.pipeline import assemble, oblivious_generation
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy

SAMPLES = [Sample("a lady firefighter with pale skin", 3), Sample("an old man", 4), Sample("a red apple", 5)]
STEPS = 4


def images_of(overrides: list[str], methods: list[Method], taxonomy: Taxonomy) -> dict[str, torch.Tensor]:
    pair = load_pair(compose_config([*overrides, f"hybrid.steps={STEPS}", "hybrid.switch_point=0"]))
    sets = [build_candidates(sample.prompt, taxonomy, max_candidates=64) for sample in SAMPLES]
    done: list[int] = []
    work = Work((0, 1, 2), tuple(methods))
    images = {name: made for names, made in run_work(pair, work, SAMPLES, sets, done.append) for name in names}
    assert sum(done) == step_rows(pair, work, SAMPLES, sets)
    return images


@pytest.mark.parametrize(
    ("cache", "handover", "scheduler"),
    [
        (NO_ACCELERATION, "restart", "dpm_solver"),
        (CacheConfig(cache_point=1, skip_point=2), "history", "dpm_solver"),
        (CacheConfig(reuse="all", cache_point=1, skip_point=2), "history", "dpm_solver"),
        (CacheConfig(reuse="branch"), "restart", "dpm_solver"),
        (CacheConfig(cache_point=1), "restart", "lcm"),
    ],
    ids=["plain", "caches", "caches and reuse", "reuse a branch", "a solver that adds noise on its way"],
)
def test_obclip_equals_algorithm_1(
    tiny_pair: list[str], taxonomy: Taxonomy, cache: CacheConfig, handover: str, scheduler: str
) -> None:
    pair = [*tiny_pair, f"pair.cloud.scheduler={scheduler}"]
    method = Method("ours", "server_first", 3, hidden=True, cache=cache, handover=handover)
    images = images_of(pair, [method], taxonomy)["ours"]
    overrides = [f"hybrid.steps={STEPS}", "hybrid.switch_point=3", f"hybrid.handover={handover}"]
    config = compose_config([*pair, *overrides])
    config.cache = cache
    client, server = assemble(config)
    for sample, image in zip(SAMPLES, images, strict=True):
        outcome = oblivious_generation(client, server, sample.prompt, sample.seed)
        expected = (client.image(outcome.latents)[0] * 255).round()
        assert (image.float() - expected).abs().max() <= 1  # a level of rounding in larger batches


def test_client_first_equals_the_scheme_in_that_order(tiny_pair: list[str], taxonomy: Taxonomy) -> None:
    images = images_of(tiny_pair, [Method("last", "client_first", 1)], taxonomy)["last"]
    overrides = [f"hybrid.steps={STEPS}", "hybrid.switch_point=1", "hybrid.order=client_first", "privacy=none"]
    client, server = assemble(compose_config([*tiny_pair, *overrides]))
    outcome = oblivious_generation(client, server, SAMPLES[1].prompt, SAMPLES[1].seed)
    assert (images[1].float() - (client.image(outcome.latents)[0] * 255).round()).abs().max() <= 1


def test_methods_that_share_a_way_give_the_same_as_alone(tiny_pair: list[str], taxonomy: Taxonomy) -> None:
    methods = [Method(f"k={k}", "server_first", k) for k in (0, 1, 2, STEPS)]
    together = images_of(tiny_pair, methods, taxonomy)
    for method in methods:
        assert torch.equal(together[method.name], images_of(tiny_pair, [method], taxonomy)[method.name])
    assert not torch.equal(together["k=0"], together[f"k={STEPS}"])


def test_methods_with_the_same_words_share_their_device_steps(tiny_pair: list[str]) -> None:
    """A canonical prompt looks the same hidden or not, so ObCLIP costs no second run then."""
    pair = load_pair(compose_config([*tiny_pair, "hybrid.steps=10"]))
    samples = [Sample("an old man", 1)]
    methods = tuple(baselines_and_obclip(compose_config(["hybrid.steps=10"]), (5, 10)))
    shared, apart = (
        step_rows(pair, Work((0,), methods), samples, [CandidateSet((words,), 0, {})])
        for words in ("an old man", "an elderly man")
    )
    assert shared == 10 + 10 + 5
    assert apart > shared


def test_the_pair_is_stock_diffusers(tiny_pair: list[str]) -> None:
    pair = load_pair(compose_config(tiny_pair))
    assert type(pair.cloud) is type(pair.device) is StableDiffusionPipeline


def test_a_batch_is_run_whole_by_the_methods_that_lack_any_image_of_it() -> None:
    first, second = Method("first", "server_first", 0), Method("second", "server_first", 1)
    done = {
        ("first", 0),
        ("first", 1),
        ("second", 0),
        *((name, place) for name in ("first", "second") for place in (2, 3)),
    }
    batches = list(outstanding(5, [first, second], lambda name, place: (name, place) in done, batch=2))
    assert batches == [Work((0, 1), (second,)), Work((2, 3), ()), Work((4,), (first, second))]
