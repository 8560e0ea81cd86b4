"""Algorithm 1 end to end, against the stock diffusers pipelines."""

import warnings

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.errors import UserError
from obclip_cli.pipeline import ObCLIPPipeline, assemble, cloud_only, oblivious_generation
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.protocol import CloudRequest, CloudResponse

PROMPT = "a woman firefighter with dark skin"
STEPS = 4


def config_for(tiny_pair: list[str], *overrides: str) -> Config:
    """Every acceleration off, the exact one too, which rounds differently."""
    plain = [f"hybrid.steps={STEPS}", "pair.guidance_scale=3", "cache.shared_first_step=false"]
    return compose_config([*tiny_pair, *plain, *overrides])


def stock_latents(path: str, prompt: str, seed: int) -> torch.Tensor:
    """What diffusers' own pipeline makes of the prompt."""
    pipeline = StableDiffusionPipeline.from_pretrained(path, safety_checker=None)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(seed)
    return pipeline(
        prompt, num_inference_steps=STEPS, guidance_scale=3.0, generator=generator, output_type="latent"
    ).images


def test_k_equal_to_steps_with_one_candidate_is_the_stock_cloud_pipeline(tiny_pair: list[str]) -> None:
    config = config_for(tiny_pair, "privacy=none", f"hybrid.switch_point={STEPS}")
    client, server = assemble(config)
    outcome = oblivious_generation(client, server, PROMPT, seed=7)
    assert torch.equal(outcome.latents, stock_latents(config.pair.cloud.path, PROMPT, 7))
    assert torch.equal(cloud_only(server, outcome.query, client.split.cloud), outcome.latents)


def test_k_zero_is_the_stock_device_pipeline(tiny_pair: list[str]) -> None:
    config = config_for(tiny_pair, "hybrid.switch_point=0")
    client, server = assemble(config)
    outcome = oblivious_generation(client, server, PROMPT, seed=7)
    assert torch.equal(outcome.latents, stock_latents(config.pair.device.path, PROMPT, 7))
    assert torch.equal(client.alone(outcome.query), outcome.latents)


def test_client_first_with_the_whole_way_on_the_cloud_is_cloud_only(tiny_pair: list[str]) -> None:
    config = config_for(tiny_pair, "privacy=none", "hybrid.order=client_first", f"hybrid.switch_point={STEPS}")
    outcome = oblivious_generation(*assemble(config), PROMPT, seed=7)
    assert torch.equal(outcome.latents, stock_latents(config.pair.cloud.path, PROMPT, 7))


def test_client_first_gives_the_cloud_the_last_steps(tiny_pair: list[str]) -> None:
    config = config_for(tiny_pair, "privacy=none", "hybrid.order=client_first", "hybrid.switch_point=1")
    outcome = oblivious_generation(*assemble(config), PROMPT, seed=7)
    assert (outcome.request.start, outcome.request.stop) == (STEPS - 1, STEPS)
    assert outcome.request.latents is not None
    assert torch.equal(outcome.latents, outcome.candidate_latents)


def test_client_first_with_hidden_prompt_is_refused(tiny_pair: list[str]) -> None:
    client, server = assemble(config_for(tiny_pair, "hybrid.order=client_first", "hybrid.switch_point=1"))
    with pytest.raises(UserError, match="server_first"):
        oblivious_generation(client, server, PROMPT, seed=0)


def test_the_device_keeps_the_latent_of_its_own_prompt(tiny_pair: list[str]) -> None:
    """Hiding among candidates changes nothing about the image but rounding of a larger batch."""
    hidden = config_for(tiny_pair, "hybrid.switch_point=2")
    in_the_clear = config_for(tiny_pair, "hybrid.switch_point=2", "privacy=none")
    among_ten = oblivious_generation(*assemble(hidden), PROMPT, seed=3)
    alone = oblivious_generation(*assemble(in_the_clear), PROMPT, seed=3)
    assert len(among_ten.request.candidates) == 10
    torch.testing.assert_close(among_ten.latents, alone.latents, rtol=1e-4, atol=1e-4)
    others = [row for i, row in enumerate(among_ten.candidate_latents) if i != among_ten.query.candidates.index]
    assert all(not torch.allclose(row, alone.candidate_latents[0], rtol=1e-4, atol=1e-4) for row in others)


def test_a_smaller_cloud_batch_gives_the_same_latents(tiny_pair: list[str]) -> None:
    whole = oblivious_generation(*assemble(config_for(tiny_pair, "hybrid.switch_point=2")), PROMPT, seed=3)
    chunks = oblivious_generation(
        *assemble(config_for(tiny_pair, "hybrid.switch_point=2", "cloud.batch=3")), PROMPT, seed=3
    )
    torch.testing.assert_close(chunks.candidate_latents, whole.candidate_latents, rtol=1e-4, atol=1e-4)


def test_traffic_is_the_length_of_the_messages(tiny_pair: list[str]) -> None:
    outcome = oblivious_generation(*assemble(config_for(tiny_pair, "hybrid.switch_point=1")), PROMPT, seed=3)
    assert outcome.bytes_up == len(outcome.request.to_bytes())
    assert outcome.bytes_down == len(CloudResponse(outcome.candidate_latents).to_bytes())
    assert outcome.bytes_down >= 10 * 4 * 8 * 8 * 4  # N x c x h x w x bytes of float32


def test_handing_over_history_goes_on_as_one_solver_would(tiny_pair: list[str]) -> None:
    """With one model on both sides, history gives the stock pipeline bit for bit, and restart does not."""
    same = [*tiny_pair, f"pair.device.path={tiny_pair[0].partition('=')[2]}", "hybrid.switch_point=2", "privacy=none"]
    stock = stock_latents(tiny_pair[0].partition("=")[2], PROMPT, 7)
    for order in ("server_first", "client_first"):
        overrides = [f"hybrid.order={order}", "hybrid.handover=history"]
        outcome = oblivious_generation(*assemble(config_for(same, *overrides)), PROMPT, seed=7)
        assert torch.equal(outcome.latents, stock), order
    restarted = oblivious_generation(*assemble(config_for(same)), PROMPT, seed=7)
    assert not torch.allclose(restarted.latents, stock, atol=1e-3)


def test_history_goes_with_all_candidates_and_doubles_the_bytes_down(tiny_pair: list[str]) -> None:
    restart, history = (
        oblivious_generation(
            *assemble(config_for(tiny_pair, "hybrid.switch_point=2", f"hybrid.handover={handover}")), PROMPT, seed=3
        )
        for handover in ("restart", "history")
    )
    payload = 10 * 4 * 8 * 8 * 4  # N x c x h x w x bytes of float32
    assert payload <= restart.bytes_down < 1.1 * payload
    assert 2 * payload <= history.bytes_down < 2.1 * payload


def test_replacement_shows_the_cloud_one_other_candidate(tiny_pair: list[str]) -> None:
    """One that the public seed does not tell, or the cloud could work back to the prompt."""
    client, server = assemble(config_for(tiny_pair, "hybrid.switch_point=2", "privacy.strategy=replacement"))
    assert len(oblivious_generation(client, server, PROMPT, seed=3).request.candidates) == 1
    shown = {client.request(client.prepare(PROMPT, seed=3)).candidates[0] for _ in range(200)}
    assert shown == set(build_candidates(PROMPT, client.taxonomy, max_candidates=10).prompts) - {PROMPT}


def test_vanilla_og_is_every_candidate_for_all_steps_on_the_cloud(tiny_pair: list[str]) -> None:
    config = config_for(tiny_pair, f"hybrid.switch_point={STEPS}")
    outcome = oblivious_generation(*assemble(config), PROMPT, seed=7)
    assert len(outcome.request.candidates) == 10
    torch.testing.assert_close(outcome.latents, stock_latents(config.pair.cloud.path, PROMPT, 7), rtol=1e-4, atol=1e-4)


def test_python_warns_of_what_stays_in_sight_or_refuses_it(tiny_pair: list[str]) -> None:
    """What a user has read is sent as it is."""
    pipe = ObCLIPPipeline.from_config(config_for(tiny_pair, "hybrid.switch_point=1"))
    with pytest.warns(UserWarning, match="nothing is hidden"):
        out = pipe("a red apple")
    assert out.lambda_ is None and pipe.facts(out)["reading"]["lambda"] is None
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert pipe(pipe.read("a red apple")).candidates == ("a red apple",)
        assert pipe("a woman").lambda_ == 0
    refusing = ObCLIPPipeline.from_config(config_for(tiny_pair, "hybrid.switch_point=1", "privacy.on_exposure=refuse"))
    with pytest.raises(UserError, match="was not sent"):
        refusing("a bearded man")


def test_two_runs_with_one_seed_are_equal_and_another_seed_differs(tiny_pair: list[str]) -> None:
    client, server = assemble(config_for(tiny_pair, "hybrid.switch_point=2"))
    first, again, other = (oblivious_generation(client, server, PROMPT, seed=s).latents for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_messages_survive_the_wire() -> None:
    request = CloudRequest(("a man", "a woman"), 25, 0, 10, 7.0, 3, latents=torch.randn(1, 4, 8, 8))
    back = CloudRequest.from_bytes(request.to_bytes())
    assert back.latents is not None and request.latents is not None
    assert torch.equal(back.latents, request.latents)
    assert (back.candidates, back.steps, back.start, back.stop) == (("a man", "a woman"), 25, 0, 10)
    assert CloudRequest.from_bytes(CloudRequest(("a man",), 25, 0, 10, 7.0, 3).to_bytes()).latents is None
