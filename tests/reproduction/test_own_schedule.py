"""The two settings of Table 4, from each other."""

import pytest

from obclip_cli.compose import check, compose_config
from obclip_cli.reproduction.own_schedule import own_schedule, shared_schedule
from obclip_cli.reproduction.switch_points import default_split

LCM = ["pair=lcmsdxl-koala", *default_split("lcmsdxl-koala")]


def test_only_a_cloud_with_steps_of_its_own_needs_the_papers_switch_point() -> None:
    assert default_split("lcmsdxl-koala") == ["hybrid.switch_point=4", "hybrid.timestep_shift=8"]
    assert default_split("mini") == default_split("sdxl-koala") == []


def test_sdxl_and_lcm_sdxl_stand_for_each_other() -> None:
    sdxl, lcm = compose_config(["pair=sdxl-koala"]), compose_config(LCM)
    assert own_schedule(sdxl).pair == lcm.pair and shared_schedule(lcm).pair == sdxl.pair
    assert own_schedule(lcm) is lcm and shared_schedule(sdxl) is sdxl


def test_folders_of_ones_own_are_kept() -> None:
    mine = ["pair.cloud.path=/mine/sdxl", "pair.device.path=/mine/koala"]
    found = own_schedule(compose_config(["pair=sdxl-koala", *mine])).pair
    assert (found.cloud.path, found.cloud.unet, found.device.path) == (
        "/mine/sdxl",
        "latent-consistency/lcm-sdxl",
        "/mine/koala",
    )


@pytest.mark.parametrize("overrides", [[], ["hybrid.handover=history"], ["pair=sd14-bksdm-tiny"]])
def test_other_pairs_keep_their_cloud_and_take_eight_steps(overrides: list[str]) -> None:
    config = compose_config(overrides)
    own = own_schedule(config)
    assert (own.pair.cloud.steps, own.hybrid.switch_point, own.hybrid.timestep_shift) == (8, 4, 8)
    assert own.pair.cloud.path == config.pair.cloud.path and own.hybrid.handover == "restart"
    assert config.pair.cloud.steps is None  # the first configuration is left alone
    check(own)
    check(shared_schedule(own))
