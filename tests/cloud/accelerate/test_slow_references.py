"""Each acceleration against a slow obvious reference, on every architecture."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.models.attention_processor import Attention
from torch import nn

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.config import NO_ACCELERATION as OFF
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import StepContext
from tests.cloud.accelerate.architectures import (
    ARCHITECTURES,
    PROMPTS,
    SEED,
    STEPS,
    TOLERANCE,
    denoised,
    difference,
    noise_of,
    pipeline_of,
)

TWO = PROMPTS[:2]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def pipeline(request: pytest.FixtureRequest) -> DiffusionPipeline:
    return pipeline_of(request.param)


@dataclass
class Case:
    """A configuration, and in which steps it must reuse attention results and skip blocks."""

    cache: CacheConfig
    reusing: set[int] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    steps: int = STEPS


CACHED = {
    "attention cache": Case(replace(OFF, cache_point=1), reusing={1, 2}),
    "attention cache, refreshed": Case(replace(OFF, cache_point=1, refresh=1), reusing={1}),
    "block skip": Case(replace(OFF, skip_point=1), skipped={1, 2}),
    "block skip with the old conv_in": Case(replace(OFF, skip_point=1, fresh_conv_in=False), skipped={1, 2}),
    "both": Case(replace(OFF, cache_point=1, skip_point=2), reusing={1, 2}, skipped={2}),
    "skip every second step": Case(replace(OFF, skip_every=2), skipped={1}),
    "deep levels": Case(replace(OFF, skip_point=1, skip_levels="deep"), skipped={1, 2}),
}
LONGER = {
    "skip every third step": Case(replace(OFF, skip_every=3), skipped={1, 2, 4}, steps=5),
    "skip every second step, first order": Case(replace(OFF, skip_every=2, order=1), skipped={1, 3}, steps=5),
    "deep levels, first order": Case(replace(OFF, skip_point=2, skip_levels="deep", order=1), set(), {2, 3, 4}, 5),
    "attention cache, first order": Case(replace(OFF, cache_point=2, order=1), reusing={2, 3}, steps=4),
}


@pytest.mark.parametrize(
    ("case", "guidance"),
    [*((case, 3.0) for case in (CACHED | LONGER).values()), (CACHED["both"], 1.0)],
    ids=[*CACHED, *LONGER, "both, without guidance"],
)
def test_caches_give_what_computing_all_and_throwing_it_away_gives(
    pipeline: DiffusionPipeline, case: Case, guidance: float
) -> None:
    """A loop by hand, in which hooks put old results in the place of new ones: bit for bit."""
    unet, now, order = pipeline.unet, [0], case.cache.order
    middle = [unet.mid_block] if unet.mid_block is not None else []
    deep = [*list(unet.down_blocks)[1:], *middle, *list(unet.up_blocks)[:-1]]
    skippable = deep if case.cache.skip_levels == "deep" else [*unet.down_blocks, *middle]
    skippable += [] if case.cache.fresh_conv_in else [unet.conv_in]
    with (
        old_outputs([m for m in unet.modules() if isinstance(m, Attention)], case.reusing, now, order),
        old_outputs(skippable, case.skipped, now, order),
    ):
        expected = by_hand(pipeline, TWO, guidance, case.steps, now)
    assert torch.equal(denoised(pipeline, case.cache, prompts=TWO, guidance=guidance, steps=case.steps), expected)


@torch.no_grad()
def by_hand(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    guidance: float,
    steps: int,
    now: list[int],
    *,
    trunk: int = 0,
    guidance_every: int = 1,
) -> torch.Tensor:
    """Latents after all steps, computed for all rows in each of them; `now` holds the step that runs.

    Args:
        trunk: in so many steps every row has the mean of the prompts' embeddings.
        guidance_every: the guidance difference is kept between such steps.
    """
    unet, scheduler, n = pipeline.unet, copy.deepcopy(pipeline.scheduler), len(prompts)
    conditioning = encode_prompts(pipeline, list(prompts), guidance)
    conditions = conditioning.arguments()
    latents = torch.cat([noise_of(pipeline)] * n)
    generators = [torch.Generator().manual_seed(SEED) for _ in prompts]
    for generator in generators:  # past z_T, for a solver that adds noise
        torch.randn(latents[:1].shape, generator=generator)
    scheduler.set_timesteps(steps)
    for step, timestep in enumerate(scheduler.timesteps):
        now[0] = step
        rows = torch.cat([latents, latents]) if conditioning.guided else latents
        given = averaged(conditions, n) if step < trunk else conditions
        noise = unet(scheduler.scale_model_input(rows, timestep), timestep, **given).sample
        if conditioning.guided:
            without, given_prompt = noise.chunk(2)
            if step % guidance_every == 0:
                guiding = given_prompt - without
            else:
                without = given_prompt - guiding
            noise = without + guidance * (given_prompt - without)
        latents = scheduler.step(noise, timestep, latents, generator=generators).prev_sample
    return latents


def averaged(conditions: dict[str, Any], n: int) -> dict[str, Any]:
    """Every conditional row's prompt replaced by the mean of all, its pooled text too."""

    def mean(rows: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows[:-n], rows[-n:].mean(0, keepdim=True).expand_as(rows[-n:])])

    added = conditions["added_cond_kwargs"]
    added = None if added is None else added | {"text_embeds": mean(added["text_embeds"])}
    embeds = mean(conditions["encoder_hidden_states"])
    return conditions | {"encoder_hidden_states": embeds, "added_cond_kwargs": added}


@contextmanager
def old_outputs(modules: list[nn.Module], wanted: set[int], now: list[int], order: int) -> Iterator[None]:
    """Let modules compute, and in the steps that are `wanted` give what their earlier outputs say of them."""
    seen: dict[nn.Module, dict[int, Any]] = {module: {} for module in modules}

    def hook(module: nn.Module, _: Any, output: Any) -> Any:
        if now[0] not in wanted:
            seen[module][now[0]] = output
            return output
        (last, new), *before = sorted(seen[module].items(), reverse=True)
        if order == 0 or not before:
            return new
        earlier, old = before[0]
        ahead = (now[0] - last) / (last - earlier)
        return along(new, old, ahead)

    hooks = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def along(new: Any, old: Any, ahead: float) -> Any:
    """A line through two outputs, tensors or tuples of them."""
    if isinstance(new, torch.Tensor):
        return new + (new - old) * ahead
    return tuple(along(a, b, ahead) for a, b in zip(new, old, strict=True))


@dataclass(frozen=True)
class Pass:
    """Inputs of one pass with four rows, two of them unconditional."""

    sample: torch.Tensor
    timestep: int
    conditions: dict[str, Any]


def a_pass(pipeline: DiffusionPipeline, seed: int, timestep: int) -> Pass:
    conditioning = encode_prompts(pipeline, [*TWO, *TWO], 1.0)  # four rows, whose kinds do not matter here
    shape = (4, pipeline.unet.config.in_channels, *noise_of(pipeline).shape[2:])
    sample = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Pass(sample, timestep, conditioning.arguments())


@torch.no_grad()
def in_turn(pipeline: DiffusionPipeline, cache: CacheConfig, *passes: Pass) -> list[torch.Tensor]:
    """What the UNet gives in steps 0, 1, ... with accelerations on."""
    context = StepContext(unconditional=2, conditional=2)
    outputs = []
    with attached(pipeline.unet, accelerations(cache), context):
        for context.step, one in enumerate(passes):
            outputs.append(pipeline.unet(one.sample, one.timestep, **one.conditions).sample)
    return outputs


@pytest.mark.parametrize("case", CACHED.values(), ids=CACHED)
def test_with_the_same_inputs_old_results_are_the_new_ones(pipeline: DiffusionPipeline, case: Case) -> None:
    same = a_pass(pipeline, 0, 500)
    (plain,) = in_turn(pipeline, OFF, same)
    assert all(torch.equal(output, plain) for output in in_turn(pipeline, case.cache, same, same, same))


@pytest.mark.parametrize("fresh", [True, False])
def test_a_skipped_pass_is_old_down_and_mid_blocks_with_new_up_blocks(pipeline: DiffusionPipeline, fresh: bool) -> None:
    old, new = a_pass(pipeline, 0, 700), a_pass(pipeline, 1, 500)
    _, skipped = in_turn(pipeline, replace(OFF, skip_point=1, fresh_conv_in=fresh), old, new)
    assert torch.equal(skipped, put_together(pipeline, old, new, fresh_conv_in=fresh))
    assert not torch.equal(skipped, in_turn(pipeline, OFF, new)[0])


@torch.no_grad()
def put_together(pipeline: DiffusionPipeline, old: Pass, new: Pass, *, fresh_conv_in: bool) -> torch.Tensor:
    """The UNet's pieces called one by one: down and mid blocks on the old inputs, up blocks on the new ones."""
    unet = pipeline.unet
    old_embedding, new_embedding = (time_embedding(pipeline, one) for one in (old, new))
    hidden = unet.conv_in(old.sample)
    skips = [unet.conv_in(new.sample) if fresh_conv_in else hidden]
    for block in unet.down_blocks:
        hidden, more = block(hidden, old_embedding, **text_for(block, old))
        skips += more
    if unet.mid_block is not None:
        hidden = unet.mid_block(hidden, old_embedding, **text_for(unet.mid_block, old))
    for block in unet.up_blocks:
        count = len(block.resnets)
        skips, taken = skips[:-count], tuple(skips[-count:])
        hidden = block(hidden, res_hidden_states_tuple=taken, temb=new_embedding, **text_for(block, new))
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))


def time_embedding(pipeline: DiffusionPipeline, one: Pass) -> torch.Tensor:
    """The embedded timestep with LCM's guidance scale, and SDXL's pooled text and sizes added."""
    unet, added = pipeline.unet, one.conditions["added_cond_kwargs"]
    steps = torch.full((len(one.sample),), one.timestep)
    embedding = unet.time_embedding(unet.time_proj(steps), one.conditions["timestep_cond"])
    if added is None:
        return embedding
    sizes = unet.add_time_proj(added["time_ids"].flatten()).reshape(len(one.sample), -1)
    return embedding + unet.add_embedding(torch.cat([added["text_embeds"], sizes], dim=-1))


def text_for(block: nn.Module, one: Pass) -> dict[str, torch.Tensor]:
    crosses = getattr(block, "has_cross_attention", False)
    return {"encoder_hidden_states": one.conditions["encoder_hidden_states"]} if crosses else {}


def test_only_a_fresh_conv_in_lets_the_latents_into_a_skipped_pass(pipeline: DiffusionPipeline) -> None:
    """With the old conv_in, as in Faster Diffusion, new latents change nothing and a new timestep does."""
    old, latents, later = (a_pass(pipeline, *inputs) for inputs in ((0, 500), (1, 500), (0, 100)))
    fresh, kept = (replace(OFF, skip_point=1, fresh_conv_in=on) for on in (True, False))
    first, skipped = in_turn(pipeline, fresh, old, latents)
    assert not torch.equal(skipped, first)
    first, skipped, other_time = in_turn(pipeline, kept, old, latents, later)
    assert torch.equal(skipped, first)
    assert not torch.equal(other_time, first)


@pytest.mark.parametrize("batch", [30, 4], ids=["at once", "in chunks"])
@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_a_trunk_gives_every_candidate_the_mean_embedding_in_its_steps(
    pipeline: DiffusionPipeline, guidance: float, batch: int
) -> None:
    found = denoised(pipeline, replace(OFF, trunk=2), guidance=guidance, steps=4, batch=batch)
    assert difference(found, by_hand(pipeline, PROMPTS, guidance, 4, [0], trunk=2)) < TOLERANCE
    whole = denoised(pipeline, replace(OFF, trunk=4), guidance=guidance, steps=4, batch=batch)
    assert (whole == whole[:1]).all()  # no branch at all: one latent for all


@pytest.mark.parametrize("every", [2, 3])
def test_guidance_differences_are_those_of_the_last_step_that_computed_them(
    pipeline: DiffusionPipeline, every: int
) -> None:
    found = denoised(pipeline, replace(OFF, guidance_every=every), steps=4)
    assert difference(found, by_hand(pipeline, PROMPTS, 3.0, 4, [0], guidance_every=every)) < TOLERANCE
    both = replace(OFF, guidance_every=every, trunk=2)
    expected = by_hand(pipeline, PROMPTS, 3.0, 4, [0], guidance_every=every, trunk=2)
    assert difference(denoised(pipeline, both, steps=4), expected) < TOLERANCE


# By scope and whether there are unconditional rows, which come first: the pivot of each row.
PIVOTS = {
    ("all", True): [2, 2, 2, 2],
    ("branch", True): [0, 0, 2, 2],
    ("all", False): [0, 0],
    ("branch", False): [0, 0],
}


@pytest.mark.parametrize(
    ("scope", "layers", "guidance"),
    [("all", "both", 3.0), ("branch", "both", 3.0), ("all", "self", 3.0), ("all", "cross", 3.0), ("all", "both", 1.0)],
)
def test_pivot_attention_is_the_pivots_whole_map_on_each_rows_values(
    pipeline: DiffusionPipeline, scope: str, layers: str, guidance: float
) -> None:
    guided = guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
    before = dict(pipeline.unet.attn_processors)
    wanted = {"both": "", "self": "attn1.processor", "cross": "attn2.processor"}[layers]
    naive = _Naive(PIVOTS[scope, guided])
    pipeline.unet.set_attn_processor({n: naive if n.endswith(wanted) else p for n, p in before.items()})
    try:
        expected = denoised(pipeline, prompts=TWO, guidance=guidance)
    finally:
        pipeline.unet.set_attn_processor(before)
    cache = replace(OFF, reuse=scope, reuse_layers=layers, pivot="first")
    assert difference(denoised(pipeline, cache, prompts=TWO, guidance=guidance), expected) < TOLERANCE


class _Naive:
    """Attention row by row and head by head in fp64, each row with the map of its pivot."""

    def __init__(self, pivots: list[int]) -> None:
        self.pivots = pivots

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None, **_: Any
    ) -> torch.Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        projected = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        query, key, value = (part.double().chunk(attn.heads, dim=-1) for part in projected)
        rows = []
        for row, pivot in enumerate(self.pivots):
            maps = [(q[pivot] @ k[pivot].T / q.shape[-1] ** 0.5).softmax(-1) for q, k in zip(query, key, strict=True)]
            rows.append(torch.cat([one @ v[row] for one, v in zip(maps, value, strict=True)], dim=-1))
        return attn.to_out[0](torch.stack(rows).to(hidden_states.dtype))
