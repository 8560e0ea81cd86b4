"""A fifth acceleration, known nowhere but here: costs, savings, the benchmark and batches follow from what it says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import pytest
import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate import ACCELERATIONS, accelerations
from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.cloud.accelerate.overriding import Overrides
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import CacheConfig, Config
from obclip_cli.cost import bench
from obclip_cli.cost.macs import steps_macs
from obclip_cli.cost.profile import savings
from obclip_cli.data import Sample
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.evaluation.generate import Work, load_pair, run_work
from obclip_cli.evaluation.methods import Method
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.protocol import CloudRequest
from tests.conftest import tiny_pipeline

STEPS, CANDIDATES = 4, 3


@dataclass
class WithMean(CacheConfig):
    mean_point: int | None = None


class MeanMid(Acceleration):
    """From a point on the mid block runs once, for the mean of all rows."""

    label, method_name = "mean in the mid block", "mean"
    mixes_rows = shares_work = True

    def __init__(self, point: int) -> None:
        self.point, self.overrides = point, Overrides()

    @classmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        point = getattr(cache, "mean_point", None)
        return None if point is None else cls(point)

    def kind(self, step: int) -> str | None:
        return "mean" if step >= self.point else None

    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        def mean(original):
            def forward(hidden, temb, encoder_hidden_states, **rest):
                if self.kind(context.step) is None:
                    return original(hidden, temb, encoder_hidden_states=encoder_hidden_states, **rest)
                few = [part.mean(0, keepdim=True) for part in (hidden, temb, encoder_hidden_states)]
                return original(few[0], few[1], encoder_hidden_states=few[2], **rest).expand_as(hidden)

            return forward

        self.overrides.put(unet.mid_block, mean)

    def detach(self) -> None:
        self.overrides.remove()


@pytest.fixture(autouse=True)
def listed() -> Iterator[None]:
    """The one line by which it is known."""
    ACCELERATIONS.append(MeanMid)
    yield
    ACCELERATIONS.remove(MeanMid)


def test_it_is_counted_from_what_it_does() -> None:
    pipeline = tiny_pipeline(1, mid_block=True)
    chosen = accelerations(WithMean(shared_first_step=False, mean_point=2))
    tokens = pipeline.tokenizer.model_max_length
    plain, found = (
        [
            step.total
            for step in steps_macs(
                pipeline.unet.config, tokens, candidates=CANDIDATES, guided=True, steps=STEPS, chosen=parts
            )
        ]
        for parts in ((), chosen)
    )
    assert found[:2] == plain[:2]
    assert found[2] == found[3] < plain[2]


def test_its_savings_have_a_column() -> None:
    model = Architecture.of(tiny_pipeline(1, mid_block=True))
    cache = WithMean(mean_point=2)
    table = savings(model, cache, candidates=CANDIDATES, guided=True, steps=STEPS)
    assert list(table.columns[-2:]) == ["shared first step", MeanMid.label]
    assert (table[MeanMid.label] > 0).tolist() == [False, False, True, True]


def test_the_benchmark_has_a_phase_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def preset(overrides: list[str]) -> Config:
        config = compose_config(overrides)
        config.cache = WithMean(cache_point=3, mean_point=2)
        return config

    monkeypatch.setattr(bench, "compose_config", preset)
    phases = bench.phases(5)
    place = [phase.method for phase in phases].index("+ mean")
    before, found = phases[place - 1 : place + 1]
    assert set(found.kinds()) - set(before.kinds())


def test_an_evaluation_runs_whole_candidate_sets_as_rows_are_mixed(tiny_pair: list[str]) -> None:
    """The rows of a batch that only held what is kept would give other images."""
    cache = WithMean(shared_first_step=False, mean_point=1)
    pair = load_pair(compose_config([*tiny_pair, f"hybrid.steps={STEPS}", "hybrid.switch_point=0"]))
    words = ("a man", "a woman", "an old man")
    method = Method("mean", "server_first", STEPS, hidden=True, cache=cache)
    seen: list[int] = []
    handle = pair.cloud.unet.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    try:
        ((_, images),) = run_work(
            pair, Work((0,), (method,)), [Sample("a woman", 3)], [CandidateSet(words, 1, {})], lambda _: None
        )
    finally:
        handle.remove()
    assert seen == [2 * len(words)] * STEPS
    request = CloudRequest(words, STEPS, 0, STEPS, pair.config.guidance_scale, 3)
    alone, together = (
        CloudServer(pair.cloud, batch=6, cache=c).denoise(request).latents for c in (CacheConfig(), cache)
    )
    assert images.shape[0] == 1 and not torch.allclose(alone, together, atol=1e-3)
