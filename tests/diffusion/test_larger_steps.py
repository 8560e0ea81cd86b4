"""Fewer, larger steps over the same noise levels: `hybrid.cloud_steps` and `hybrid.device_steps`."""

import itertools
from dataclasses import replace

import pytest
import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import HybridConfig
from obclip_cli.data import Sample
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import State, Stretch, denoise, initial_noise
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.diffusion.schedule import noise_levels, split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.generate import Work, load_pair, run_work
from obclip_cli.evaluation.methods import Method
from obclip_cli.pipeline import assemble, oblivious_generation
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.protocol import CloudRequest
from tests.cloud.accelerate.architectures import PROMPTS, SEED, difference, pipeline_of, stock_prompts

T, GUIDANCE = 8, 3.0
PLACES = (0, 3, 4)


@pytest.fixture(scope="module", params=["sd14", "sdxl", "lcm-sdxl", "mini"])
def pipeline(request: pytest.FixtureRequest) -> DiffusionPipeline:
    return pipeline_of(request.param)


def test_over_the_whole_schedule_they_are_the_stock_pipelines_own_timesteps(pipeline: DiffusionPipeline) -> None:
    """Bit for bit, DPM-Solver and LCM, in diffusers' own loop with `timesteps`."""
    pipeline.scheduler.set_timesteps(T)
    expected = pipeline(
        **stock_prompts(pipeline, PROMPTS),
        timesteps=pipeline.scheduler.timesteps[list(PLACES)].tolist(),
        guidance_scale=GUIDANCE,
        generator=[torch.Generator().manual_seed(SEED) for _ in PROMPTS],
        output_type="latent",
    ).images
    request = CloudRequest(PROMPTS, T, 0, T, GUIDANCE, SEED, positions=PLACES)
    assert torch.equal(CloudServer(pipeline, batch=30).denoise(request).latents, expected)


def test_all_steps_by_name_are_all_steps(pipeline: DiffusionPipeline) -> None:
    plain = Stretch(T, 0, 5, GUIDANCE)
    one, other = (
        denoise(pipeline, ["a man"], stretch, seeds=[SEED])
        for stretch in (plain, replace(plain, positions=(0, 1, 2, 3, 4)))
    )
    assert torch.equal(one.latents, other.latents)


@torch.no_grad()
def two_multistep(pipeline: DiffusionPipeline, prompt: str, places: list[int]) -> torch.Tensor:
    """DPM-Solver++(2M) as arXiv 2211.01095 (Algorithm 2) writes it, over these places of the schedule, the last one
    the noise level at which it ends.
    """
    levels = [torch.tensor(level, dtype=torch.float64) for level in noise_levels(pipeline.scheduler, T)]
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(T)
    timesteps = scheduler.timesteps
    conditioning = encode_prompts(pipeline, [prompt], GUIDANCE)
    x = initial_noise(pipeline, latent_shape(pipeline), SEED).double()
    before = None
    for place, following in itertools.pairwise(places):
        noise = pipeline.unet(torch.cat([x, x]).float(), timesteps[place], **conditioning.arguments()).sample
        noise = noise[:1] + GUIDANCE * (noise[1:] - noise[:1])
        (alpha, sigma), (alpha_next, sigma_next) = (
            (1 / (1 + level**2).sqrt(), level / (1 + level**2).sqrt()) for level in (levels[place], levels[following])
        )
        kind = scheduler.config.prediction_type
        x0 = (x - sigma * noise) / alpha if kind == "epsilon" else alpha * x - sigma * noise
        h = levels[place].log() - levels[following].log()
        direction = x0
        if before is not None:
            r = before[1] / h
            direction = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before[0]
        x = sigma_next / sigma * x - alpha_next * torch.expm1(-h) * direction
        before = x0, h
    return x


@pytest.mark.parametrize("architecture", ["sd14", "mini"])
def test_the_solver_ends_at_the_noise_level_of_k(architecture: str) -> None:
    pipeline = pipeline_of(architecture)
    found = denoise(pipeline, ["a man"], Stretch(T, 0, 5, GUIDANCE, PLACES), seeds=[SEED]).latents
    assert difference(found, two_multistep(pipeline, "a man", [*PLACES, 5]).float()) < 1e-5


@pytest.mark.parametrize("architecture", ["sd14", "mini"])
def test_a_history_goes_on_from_the_step_that_it_is_of(architecture: str) -> None:
    """The device's first step extrapolates from place 3, where the cloud's last step began, not from place 4."""
    pipeline, hybrid = pipeline_of(architecture), HybridConfig(T, 5, handover="history", cloud_steps=[0, 3])
    divided = split(compose_config(["pair=mini", f"pair.guidance_scale={GUIDANCE}"]).pair, hybrid)
    state = denoise(pipeline, ["a man"], divided.cloud, seeds=[SEED])
    found = denoise(pipeline, ["a man"], replace(divided.device, stop=7), seeds=[SEED], state=state).latents
    assert difference(found, two_multistep(pipeline, "a man", [0, 3, 5, 6, 7]).float()) < 1e-5
    fresh = denoise(pipeline, ["a man"], divided.device, seeds=[SEED], state=State(state.latents)).latents
    assert difference(found, fresh) > 1e-4


def test_a_solver_with_its_own_levels_is_refused() -> None:
    pipeline = pipeline_of("sd14")
    for setting in ("use_karras_sigmas", "use_flow_sigmas"):
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, **{setting: True})
        with pytest.raises(UserError, match="cannot leave steps out"):
            denoise(pipeline, ["a man"], Stretch(T, 0, 5, GUIDANCE, PLACES), seeds=[SEED])


SETTINGS = ["hybrid.steps=8", "hybrid.switch_point=5"]


@pytest.mark.parametrize("handover", ["restart", "history"])
@pytest.mark.parametrize("order", ["server_first", "client_first"])
def test_the_scheme_and_an_evaluation_give_the_same_latents(tiny_pair: list[str], order: str, handover: str) -> None:
    """The request carries the steps; an evaluation that runs many prompts at once takes them too."""
    thinned = ["hybrid.cloud_steps=[0,2]", *(["hybrid.device_steps=2"] if handover == "restart" else [])]
    more = [f"hybrid.order={order}", f"hybrid.handover={handover}", "privacy=none"]
    config = compose_config([*tiny_pair, *SETTINGS, *thinned, *more])
    client, server = assemble(config)
    outcome = oblivious_generation(client, server, "a man", SEED)
    positions = (0, 2) if order == "server_first" else (3, 5)
    assert CloudRequest.from_bytes(outcome.request.to_bytes()).positions == positions
    hybrid = config.hybrid
    method = Method("m", order, 5, handover=handover, cloud_steps=hybrid.cloud_steps, device_steps=hybrid.device_steps)
    work = Work((0,), (method,))
    ((_, images),) = run_work(
        load_pair(config), work, [Sample("a man", SEED)], [CandidateSet(("a man",), 0, {})], lambda _: None
    )
    expected = (client.image(outcome.latents) * 255).round().to(torch.uint8)
    assert (images.int() - expected.int()).abs().max() <= 1


def test_costs_and_facts_count_the_steps_that_run(tiny_pair: list[str]) -> None:
    divided = split(compose_config([*tiny_pair]).pair, HybridConfig(8, 5, cloud_steps=2, device_steps=[0]))
    assert (divided.cloud.positions, divided.device.positions) == ((0, 2), (5,))
    assert (divided.cloud_steps, divided.device_steps) == (2, 1)
