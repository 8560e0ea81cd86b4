"""What the cloud refuses."""

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import Attention

from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest
from tests.conftest import tiny_pipeline


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline(1, mid_block=True)


def test_a_request_without_candidates_is_refused(pipeline: StableDiffusionPipeline) -> None:
    with pytest.raises(UserError, match="holds no candidate"):
        CloudServer(pipeline, batch=30).answer(CloudRequest((), 4, 0, 2, 3.0, 1).to_bytes())


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 5), (3, 2)])
def test_steps_outside_the_schedule_are_refused(pipeline: StableDiffusionPipeline, start: int, stop: int) -> None:
    """Python's slices would quietly run fewer steps."""
    with pytest.raises(UserError, match="of a schedule of 4"):
        CloudServer(pipeline, batch=30).answer(CloudRequest(("a man",), 4, start, stop, 3.0, 1).to_bytes())


@pytest.mark.parametrize(
    "cache", [CacheConfig(), CacheConfig(reuse="all"), CacheConfig(cache_point=1), CacheConfig(skip_point=1)]
)
def test_accelerations_refuse_an_ip_adapter_and_leave_the_model_alone(
    pipeline: StableDiffusionPipeline, cache: CacheConfig
) -> None:
    unet = pipeline.unet
    unet.register_to_config(encoder_hid_dim_type="ip_image_proj")  # as diffusers marks a UNet that got an IP-Adapter
    processors = dict(unet.attn_processors)
    with pytest.raises(UserError, match="IP-Adapter"):
        CloudServer(pipeline, batch=30, cache=cache).denoise(CloudRequest(("a man",), 4, 0, 2, 3.0, 1))
    assert unet.attn_processors == processors
    assert not any("forward" in vars(module) for module in unet.modules())


def test_pivot_attention_refuses_text_together_with_an_image_prompt_and_masks(
    pipeline: StableDiffusionPipeline,
) -> None:
    pivots = PivotAttention()
    unet = pipeline.unet
    pivots.attach(unet, StepContext())
    cross = unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2")
    assert isinstance(cross, Attention)
    hidden_states, text = torch.zeros(2, 4, 16), torch.zeros(2, 3, 16)
    with pytest.raises(UserError, match="IP-Adapters"):
        cross(hidden_states, (text, [text]))
    with pytest.raises(UserError, match="attention masks"):
        cross(hidden_states, text, torch.zeros(2, 1, 3))
    pivots.detach()


def test_pivot_attention_refuses_layers_that_do_more(pipeline: StableDiffusionPipeline) -> None:
    cross = pipeline.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2")
    cross.rescale_output_factor = 2.0
    with pytest.raises(UserError, match=r"mid_block.*normalises or rescales"):
        CloudServer(pipeline, batch=30, cache=CacheConfig(reuse="all")).denoise(
            CloudRequest(("a man",), 4, 0, 2, 3.0, 1)
        )
