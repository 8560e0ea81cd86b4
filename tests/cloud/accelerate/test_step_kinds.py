"""The kind of step in the open: what the model is told, and what torch.compile makes of each kind."""

from dataclasses import replace

import pytest
import torch
from torch import fx
from torch.utils._pytree import tree_leaves

from obclip_cli.cloud.accelerate import accelerations, attached, step_kinds
from obclip_cli.cloud.accelerate.acceleration import Acceleration, Kinds, kinds
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest
from tests.conftest import tiny_pipeline

# Its kinds, over five steps: shared first, pivot, reused, reused and skipped, and that again.
CACHE = CacheConfig(reuse="all", cache_point=2, skip_point=3)
REQUEST = CloudRequest(("a man", "a woman", "an old man"), 5, 0, 5, 3.0, 1)


def kept_by(part: Acceleration) -> list[torch.Tensor]:
    """The tensors that an acceleration holds for later steps."""
    held = [memory.kept for memory in getattr(part, "memories", [])]
    leaves = tree_leaves((held, getattr(part, "remembered", None), getattr(part, "difference", None)))
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def test_the_context_carries_the_kind_while_the_model_runs() -> None:
    unet, context, seen = tiny_pipeline(1, mid_block=True).unet, StepContext(unconditional=1), list[Kinds | None]()
    unet.conv_out.register_forward_pre_hook(lambda *_: seen.append(context.kinds))
    chosen = accelerations(CACHE)
    with attached(unet, chosen, context), torch.no_grad():
        for context.step in range(5):
            unet(torch.zeros(2, 4, 8, 8), 1, encoder_hidden_states=torch.zeros(2, 3, 16))
    assert seen == [kinds(chosen, step) for step in range(5)]
    assert context.kinds is None and "forward" not in vars(unet)


@pytest.mark.slow
def test_each_kind_is_compiled_once_and_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a second request compiles nothing."""
    graphs: list[fx.GraphModule] = []

    def backend(graph: fx.GraphModule, inputs: list[torch.Tensor]) -> fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(step_kinds, "options", lambda: {"backend": backend})
    pipeline = tiny_pipeline(1, mid_block=True)
    plain = CloudServer(pipeline, batch=6, cache=CACHE).denoise(REQUEST).latents
    server = CloudServer(pipeline, batch=6, cache=CACHE, compiles=True)
    graphs.clear()  # of the trial
    for _ in range(2):
        assert torch.equal(server.denoise(REQUEST).latents, plain)
        assert len(graphs) == len({kinds(server.accelerations, step) for step in range(5)}) == 4


@pytest.mark.parametrize(
    "cache", [replace(NO_ACCELERATION, reuse="all", cache_point=2, skip_point=2), CacheConfig(guidance_every=2)]
)
def test_what_is_kept_is_a_copy_of_what_the_next_pass_overwrites(cache: CacheConfig) -> None:
    unet, context = tiny_pipeline(1, mid_block=True).unet, StepContext(unconditional=1, chunks=2)
    chosen = accelerations(cache)
    with attached(unet, chosen, context), torch.no_grad():
        unet(torch.zeros(2, 4, 8, 8), 1, encoder_hidden_states=torch.zeros(2, 3, 16))
        before = [kept_by(part) for part in chosen]
        for part in chosen:
            part.settle()
        after = [kept_by(part) for part in chosen]
    for old, new in zip(before, after, strict=True):
        assert len(old) == len(new) and all(torch.equal(a, b) and a is not b for a, b in zip(old, new, strict=True))
    assert [len(kept) > 0 for kept in after] == [part.label != "shared first step" for part in chosen]


@pytest.mark.slow
def test_what_autograds_tracer_makes_of_a_step_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_kinds, "options", lambda: {"backend": "aot_eager"})
    pipeline, request = tiny_pipeline(1, mid_block=True), replace(REQUEST, stop=1)
    cache = replace(NO_ACCELERATION, reuse="all")
    plain, compiled = (
        CloudServer(pipeline, batch=6, cache=cache, compiles=on).denoise(request).latents for on in (False, True)
    )
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-6)


def test_where_torch_compile_does_not_work_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(
        UserError, match=r"^torch.compile does not work here \(no compiler\); leave cloud.compile=false$"
    ):
        CloudServer(tiny_pipeline(1, mid_block=True), batch=6, compiles=True)
