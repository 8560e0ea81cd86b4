"""Candidates as images, with and without shared attention maps."""

import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.data import Sample
from obclip_cli.diffusion.schedule import Split, split
from obclip_cli.evaluation.generate import Pair, generate_images, load_pair
from obclip_cli.evaluation.methods import Method
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.reproduction.shared_maps import candidate_images, every_candidate

PROMPTS = ("a man bowing", "a woman bowing")
OTHERS = ("a boy", "a girl")


def images_of(pair: Pair, divided: Split, *sets: tuple[str, ...], shared: int) -> torch.Tensor:
    """From seeds 5, 6, ..."""
    seeds = [5 + place for place in range(len(sets))]
    told: list[int] = []
    found = candidate_images(pair, divided, list(sets), seeds, shared=shared, advance=told.append)
    assert sum(told) == len(found) == sum(map(len, sets))
    return found


def test_own_maps_give_the_schemes_images_and_shared_ones_leave_only_the_pivots(tiny_pair: list[str]) -> None:
    config = compose_config([*tiny_pair, "hybrid.steps=6", "hybrid.switch_point=4"])
    pair = load_pair(config)
    divided = split(config.pair, config.hybrid)
    samples = every_candidate([Sample(PROMPTS[1], 5, {"gender": "female"})], [PROMPTS])
    assert [(s.prompt, s.seed, s.labels) for s in samples] == [(p, 5, {}) for p in PROMPTS]
    sets = [CandidateSet(PROMPTS, place, {}) for place in range(2)]
    method = Method("ObCLIP", "server_first", 4, hidden=True)
    expected = generate_images(pair, samples, [method], sets, lambda *_: lambda _: None)["ObCLIP"]
    before = dict(pair.cloud.unet.attn_processors)
    own = images_of(pair, divided, PROMPTS, shared=0)
    assert (own.int() - expected.int()).abs().max() <= 1  # batches of other sizes round differently
    shared = images_of(pair, divided, PROMPTS, shared=4)
    assert (shared[0].int() - own[0].int()).abs().max() <= 1
    assert not torch.equal(shared[1], own[1])
    assert pair.cloud.unet.attn_processors == before


@pytest.mark.parametrize("shared", [1, 2])
def test_the_first_candidates_image_does_not_depend_on_the_others(tiny_pair: list[str], shared: int) -> None:
    """Alone it still lends its map to its unconditional row, as the paper's costs imply."""
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=2"])
    pair, divided = load_pair(config), split(config.pair, config.hybrid)
    alone = images_of(pair, divided, PROMPTS[:1], shared=shared)
    both = images_of(pair, divided, PROMPTS, shared=shared)
    assert (alone[0].int() - both[0].int()).abs().max() <= 1


@pytest.mark.parametrize("shared", [0, 2])
def test_sets_run_together_give_what_each_gives_alone(tiny_pair: list[str], shared: int) -> None:
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=2"])
    pair, divided = load_pair(config), split(config.pair, config.hybrid)
    both = images_of(pair, divided, PROMPTS, OTHERS, shared=shared)
    second = candidate_images(pair, divided, [OTHERS], [6], shared=shared, advance=lambda _: None)
    first = images_of(pair, divided, PROMPTS, shared=shared)
    assert (both.int() - torch.cat([first, second]).int()).abs().max() <= 1
