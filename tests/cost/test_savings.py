"""What each part of the accelerations saves, step by step (arXiv 2510.04153, Fig. 12)."""

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import NO_ACCELERATION
from obclip_cli.cost.macs import steps_macs
from obclip_cli.cost.savings import PARTS, savings
from obclip_cli.diffusion.architectures import load_architecture


def test_parts_save_where_they_work_and_add_up_to_the_plain_cost() -> None:
    """r = 4, s = 6: pivots before r, the cache from r on, the skip from s on, the shared step first."""
    cache = compose_config(["cache=paper_k10"]).cache
    model = load_architecture("bksdm-tiny")
    table = savings(model, candidates=3, guidance_scale=7.0, steps=10, cache=cache)
    saving = {part: [step for step, saved in zip(table["step"], table[part], strict=True) if saved] for part in PARTS}
    assert saving == {
        "attention cache": [4, 5, 6, 7, 8, 9],
        "block skip": [6, 7, 8, 9],
        "pivot attention": [0, 1, 2, 3],
        "shared first step": [0],
    }
    plain = steps_macs(model.unet, model.text_tokens, candidates=3, guided=True, steps=10, cache=NO_ACCELERATION)
    sums = table[["computed", *PARTS]].sum(axis=1)
    assert list(sums) == pytest.approx([cost.total / 1e9 for cost in plain])
    assert (table[["computed", *PARTS]] >= 0).all(axis=None)
