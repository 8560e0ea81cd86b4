"""Counted multiply-accumulates against a sum done by hand."""

import shutil
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel

from obclip_cli.cloud.accelerate import accelerations
from obclip_cli.config import CacheConfig
from obclip_cli.cost import macs, memo
from obclip_cli.cost.macs import Macs, pass_macs, steps_macs
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


def count(unet: UNet2DConditionModel) -> list[Macs]:
    """Steps of several kinds and chunks, as a process of its own would count them."""
    macs._PASSES.clear()
    chosen = accelerations(CacheConfig(cache_point=1, skip_point=2, reuse="all"))
    return steps_macs(unet.config, 8, candidates=3, guided=True, steps=3, chosen=chosen, batch=4)


def test_a_second_process_reads_the_counts_and_a_changed_acceleration_counts_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    unet, passes = tiny_pipeline(1, mid_block=True).unet, 0
    one_pass = macs._MetaModel.one_pass

    def seen(self: macs._MetaModel, rows: int) -> Macs:
        nonlocal passes
        passes += 1
        return one_pass(self, rows)

    monkeypatch.setattr(macs._MetaModel, "one_pass", seen)
    fresh, counted = count(unet), passes
    assert counted > 0 and count(unet) == fresh and passes == counted

    for path in (tmp_path / "cache").rglob("*.json"):
        path.write_text("[1, 2")
    assert count(unet) == fresh and passes == 2 * counted

    same, changed = tmp_path / "same", tmp_path / "changed"
    for folder in (same, changed):
        for name in memo.COUNTED:
            shutil.copytree(memo.package_folder() / name, folder / name)
    with (changed / "cloud" / "accelerate" / "block_skip.py").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr(memo, "package_folder", lambda: same)
    assert count(unet) == fresh and passes == 2 * counted
    monkeypatch.setattr(memo, "package_folder", lambda: changed)
    assert count(unet) == fresh and passes == 3 * counted
    before = memo.code_digest(())
    monkeypatch.setattr(memo.torch, "__version__", "0")
    assert memo.code_digest(()) != before


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    unet = tiny_pipeline(1, mid_block=True).unet
    assert count(unet) == count(unet)
