"""Recorders: what they record by hand, and that they change nothing."""

import pytest
import torch
from diffusers import StableDiffusionPipeline

from obclip_cli.cloud.accelerate import attached
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.reproduction.recording import QUERIES, AttentionMaps, DeepestFeatures, Recorder, attention_map
from tests.conftest import tiny_pipeline

PROMPTS = ["a man", "a woman", "an old man"]


def noise_of(pipeline: StableDiffusionPipeline, recorder: Recorder | None) -> torch.Tensor:
    """One guided pass of three prompts."""
    rows = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    arguments = encode_prompts(pipeline, PROMPTS, 3.0).arguments()
    chosen = [] if recorder is None else [recorder]
    with torch.no_grad(), attached(pipeline.unet, chosen, StepContext(unconditional=3, conditional=3)):
        result: torch.Tensor = pipeline.unet(rows, 500, return_dict=False, **arguments)[0]
    return result


@pytest.mark.parametrize("mid_block", [True, False])
@pytest.mark.parametrize("make", [AttentionMaps, DeepestFeatures])
def test_a_recorder_changes_no_bit_and_leaves_nothing(make: type[Recorder], mid_block: bool) -> None:
    pipeline = tiny_pipeline(1, mid_block=mid_block)
    before, plain = dict(pipeline.unet.attn_processors), noise_of(pipeline, None)
    recorder = make()
    assert torch.equal(noise_of(pipeline, recorder), plain)
    assert pipeline.unet.attn_processors == before
    assert not any("forward" in module.__dict__ or module._forward_hooks for module in pipeline.unet.modules())
    assert all(len(layer) == 3 for layers in recorder.parts.values() for layer in layers)  # conditional rows only


@pytest.mark.parametrize("mid_block", [True, False])
def test_there_is_a_map_a_layer_whose_rows_sum_to_one(mid_block: bool) -> None:
    pipeline, maps = tiny_pipeline(1, mid_block=mid_block), AttentionMaps()
    noise_of(pipeline, maps)
    layers = len(pipeline.unet.attn_processors) // 2
    assert [len(maps.parts[part]) for part in maps.names] == [layers, layers]
    assert all(torch.allclose(m.sum(dim=-1), torch.ones(())) for part in maps.names for m in maps.parts[part])
    assert {m.shape[-1] for m in maps.parts["cross"]} == {pipeline.tokenizer.model_max_length}


def test_a_map_is_softmax_of_queries_and_keys_at_evenly_spaced_queries() -> None:
    attn = tiny_pipeline(1, mid_block=True).unet.mid_block.attentions[0].transformer_blocks[0].attn2
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 4 * QUERIES, attn.to_q.in_features, generator=rng)
    context = torch.randn(2, 5, attn.to_k.in_features, generator=rng)
    found = attention_map(attn, hidden, context)
    assert found.shape == (2, attn.heads, QUERIES, 5)
    head, size = 1, attn.to_q.out_features // attn.heads
    query = attn.to_q(hidden)[1, 8, head * size : (head + 1) * size]
    keys = attn.to_k(context)[1, :, head * size : (head + 1) * size]
    assert torch.allclose(found[1, head, 2], (keys @ query / size**0.5).softmax(dim=0), atol=1e-6)


def test_total_variation_by_hand() -> None:
    maps = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]], [[[1.0, 0.0], [0.0, 1.0]]]])
    other = torch.tensor([[[[0.5, 0.5], [0.0, 1.0]]]])
    assert AttentionMaps.distance(maps, other).tolist() == [0.5, 0.25]


def test_relative_distance_by_hand() -> None:
    features, other = torch.tensor([[[[3.0, 4.0]]], [[[6.0, 8.0]]]]), torch.tensor([[[[3.0, 4.0]]]])
    assert DeepestFeatures.distance(features, other).tolist() == [0.0, 1.0]
    assert DeepestFeatures.distance(other, features).tolist() == [0.0, 0.5]


@pytest.mark.parametrize("mid_block", [True, False])
def test_the_deepest_features_are_those_of_the_mid_block_or_the_last_down_block(mid_block: bool) -> None:
    pipeline, features = tiny_pipeline(1, mid_block=mid_block), DeepestFeatures()
    noise_of(pipeline, features)
    (found,) = features.parts["features"]
    seen: list[torch.Tensor] = []
    block = pipeline.unet.mid_block if mid_block else pipeline.unet.down_blocks[-1]
    hook = block.register_forward_hook(lambda _module, _args, out: seen.append(out if mid_block else out[0]))
    noise_of(pipeline, None)
    hook.remove()
    assert torch.equal(found, seen[0][3:])
