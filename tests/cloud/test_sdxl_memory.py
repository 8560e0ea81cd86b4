"""Thirty candidates of SDXL at its own size fit a GPU of 24 GB, counted without weights."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.server import chunked
from obclip_cli.compose import compose_config
from obclip_cli.diffusion.architectures import TIME_IDS, load_architecture, pooled_text_width
from obclip_cli.diffusion.denoise import StepContext
from tests.live_memory import Watch

GPU_BYTES = 24e9
# CLIP ViT-L and OpenCLIP ViT-bigG text encoders and the autoencoder, 0.123 + 0.695 + 0.084 billion parameters in fp16.
OTHER_WEIGHTS = 2 * (0.123e9 + 0.695e9 + 0.084e9)


@pytest.mark.slow
def test_thirty_candidates_of_sdxl_fit_a_24_gb_gpu_with_all_caches_on() -> None:
    """Weights, the largest chunk's activations and caches, and the pivot's queries and keys kept for later chunks."""
    config = compose_config(["pair=sdxl-koala", "cache=paper_k10"])
    chunks = chunked(("",) * 30, batch=config.rows_at_once, guided=True)
    assert len(chunks) > 1
    with torch.device("meta"):
        unet = UNet2DConditionModel(**load_architecture("sdxl").unet).half().eval()
    rows = len(chunks[0])
    context = StepContext(chunks=len(chunks), conditional=rows, unconditional=rows, same_start=True)
    with torch.no_grad(), attached(unet, accelerations(config.cache), context), Watch() as watch:
        for context.chunk in range(2):  # the second holds what it needs of the first beside its own
            for context.step in (0, 1, config.cache.cache_point, config.cache.skip_point):  # each kind of step
                one_pass(unet, context.rows)
    weights = 2 * sum(parameter.numel() for parameter in unet.parameters()) + OTHER_WEIGHTS
    assert weights + watch.peak < GPU_BYTES
    assert watch.peak > 12 * 0.5e9  # activations and caches of twelve rows: the watch does see them


def one_pass(unet: UNet2DConditionModel, rows: int) -> None:
    options = {"dtype": torch.float16, "device": "meta"}
    size, width = unet.config.sample_size, unet.config.cross_attention_dim
    added = {
        "text_embeds": torch.empty(rows, pooled_text_width(unet.config), **options),
        "time_ids": torch.empty(rows, TIME_IDS, **options),
    }
    latents, embeds = torch.empty(rows, 4, size, size, **options), torch.empty(rows, 77, width, **options)
    timestep = torch.zeros((), dtype=torch.long, device="meta")
    unet(latents, timestep, encoder_hidden_states=embeds, added_cond_kwargs=added, return_dict=False)
