"""What a pair needs before it runs; nothing here needs weights."""

from dataclasses import replace

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import CacheConfig, Config
from obclip_cli.cost.profile import profile_pair
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.methods import Method, both_ends
from obclip_cli.reproduction import needs
from obclip_cli.reproduction.needs import Measured, Planned


def config_of(pair: str, *overrides: str) -> Config:
    return compose_config(["experiment=table3", "dataset.limit=10", f"pair={pair}", *overrides])


def test_each_download_is_named_once_with_its_size_and_licence() -> None:
    config = config_of("sd14-bksdm-small")
    found = needs.downloads([config, config])
    assert [line for line in found if "CompVis/stable-diffusion-v1-4" in line and "4.3 GB" in line and "RAIL" in line]
    assert [line for line in found if "dataset coco" in line and "obclip data coco" in line]
    assert needs.EXAMINERS in found and len(found) == 4


def test_the_embedded_pair_needs_nothing() -> None:
    assert needs.downloads([config_of("mini")]) == []


def test_work_is_prompts_times_the_cost_of_each_method() -> None:
    """The profile counts the same run: 25 cloud steps of one image, 25 device steps of one image."""
    config = config_of("mini", "hybrid.switch_point=25", "cache.shared_first_step=false")
    (cloud,) = [row for row in profile_pair(config, 1)["rows"] if row["side"] == "cloud" and row["steps"] == "all"]
    counted = needs.macs_to_run(Planned(config, both_ends(config)[:1]))
    assert counted == pytest.approx(10 * cloud["full_gmacs"] * 1e9, rel=1e-6)
    assert needs.macs_to_run(Planned(config, both_ends(config))) > counted


def test_rows_that_depend_on_each_other_are_all_run_and_of_shared_maps_the_pivots() -> None:
    config = blocks_of(compose_config(["experiment=table2"]))[1].config
    plain, _, reuse = (row.run for row in blocks_of(config)[1].rows[4:7])
    trunk = replace(plain, cache=CacheConfig(trunk=1))
    one, two, all_ten = (needs.macs_to_run(Planned(config, [method])) for method in (plain, reuse, trunk))
    assert one < two < 2 * one and all_ten > 4 * one


def test_hours_follow_from_the_measured_step(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("mini", "dataset.limit=1000")
    planned = [Planned(config, [Method("cloud-only", "server_first", 25)])]
    rate = needs.macs_to_run(planned[0]) / 7200
    monkeypatch.setattr(needs, "measure_step", lambda _: Measured(0.5, rate, None))
    text = needs.in_words([config], planned)
    assert "at most 2.0 hours" in text and "1,000 images" in text and "0.50 s" in text and "nothing" in text


def test_a_step_is_measured_on_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("mini")
    found = needs.measure_step(replace(config, seed=1))
    assert found.seconds > 0 and found.rate > 1e6


@pytest.mark.parametrize(
    ("overrides", "prompts"), [(["dataset.limit=7"], 7), (["dataset=emoji", "dataset.limit=null"], 362)]
)
def test_a_dataset_without_a_limit_is_asked(overrides: list[str], prompts: int) -> None:
    assert needs.prompts_of(compose_config(["experiment=table3", *overrides])) == prompts


def test_data_that_is_not_here_has_an_unknown_number_of_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("sd14-bksdm-small", "dataset=coco", "dataset.limit=null")
    monkeypatch.setattr(needs, "measure_step", lambda _: Measured(0.5, 1e12, None))
    planned = [Planned(config, both_ends(config))]
    assert needs.prompts_of(config) == 0
    assert "for 0 images, and those of coco, whose prompts are not known yet" in needs.in_words([config], planned)
