"""Counted multiply-accumulates against a sum done by hand."""

from diffusers import UNet2DConditionModel

from obclip_cli.cost.macs import pass_macs
from tests.conftest import tiny_pipeline


def test_a_unet_without_attention_equals_the_sum_of_its_layers() -> None:
    """conv: out x in x 9 x pixels (1 for kernel size 1); linear: out x in; nothing else multiplies."""
    unet = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
        block_out_channels=(8,),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
    )
    pixels = 8 * 8
    convolutions = pixels * (9 * (4 * 8 + 2 * 8 * 8) + 2 * (9 * (16 * 8 + 8 * 8) + 16 * 8) + 9 * 8 * 4)
    time_embedding = 8 * 32 + 32 * 32
    projections = 3 * 32 * 8
    assert pass_macs(unet.config, tokens=5).total == convolutions + time_embedding + projections


def test_a_smaller_model_costs_less_and_longer_text_more() -> None:
    whole, cut = (tiny_pipeline(1, mid_block=mid).unet.config for mid in (True, False))
    assert pass_macs(cut, 8).total < pass_macs(whole, 8).total < pass_macs(whole, 16).total
