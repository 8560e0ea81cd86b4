"""Experiments as data: found, composed for every pair, and what their methods and blocks become."""

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.diffusion.pairs import pair_names
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import blocks_of, changed, rows_of, settings_of
from obclip_cli.reproduction.experiment import experiment_names, standing_names
from obclip_cli.reproduction.needs import planned_of

SCORED = ("table2", "table3", "table4", "table6", "figure3", "figure4", "handover")


@pytest.mark.parametrize("name", SCORED)
def test_every_experiment_has_methods_and_a_plan_for_every_pair(name: str) -> None:
    for pair in pair_names():
        config = compose_config([f"experiment={name}", f"pair={pair}"])
        assert settings_of(config)["name"] == name and settings_of(config)["title"]
        for planned in planned_of(config):
            assert planned.config.dataset["limit"] and planned.methods
            assert len({method.name for method in planned.methods}) == len(planned.methods)


def test_tables_come_before_figures_and_numbers_count() -> None:
    names = experiment_names()
    order = [names.index(n) for n in ("table2", "table7", "figure3", "figure4", "figure12", "handover", "privacy")]
    assert order == sorted(order)


def test_an_experiment_of_hours_is_run_by_its_name_only() -> None:
    assert {*experiment_names()} - {*standing_names()} == {"image_to_image", "mpc", "order", "pareto", "pivots"}


def test_the_dataset_is_the_pairs_and_what_is_typed_wins() -> None:
    def chosen(*overrides: str) -> tuple[str, int]:
        dataset = compose_config(overrides).dataset
        return dataset["name"], dataset["limit"]

    assert chosen("experiment=table3") == ("emoji", 60)
    assert chosen("experiment=table3", "size=full") == ("emoji", 250)
    assert chosen("experiment=table3", "dataset.limit=6") == ("emoji", 6)
    assert chosen("experiment=table3", "pair=sdxl-koala") == ("mjhq", 5000)
    assert chosen("experiment=table2", "pair=rv4-smallsd", "dataset.limit=9") == ("portraits", 9)
    assert chosen("experiment=table3", "dataset=mjhq") == ("mjhq", 5000)
    with pytest.raises(UserError, match=r"pair\.captions=cocoa is no dataset; did you mean coco"):
        compose_config(["dataset=captions_of_pair", "pair.captions=cocoa"])


def test_what_an_experiment_plays_has_its_size_at_any_depth() -> None:
    quick, full = (compose_config(["experiment=privacy", f"size={size}"]).experiment for size in ("quick", "full"))
    assert quick is not None and full is not None
    assert 0 < quick["plays"]["made"] < full["plays"]["made"]
    assert quick["plays"]["lambdas"] == full["plays"]["lambdas"]


@pytest.mark.parametrize("pair", ["mini", "sd14-bksdm-small"])
def test_a_limit_of_two_sizes_holds_for_every_pair(pair: str) -> None:
    sizes = [compose_config(["experiment=figure6", f"pair={pair}", f"size={size}"]) for size in ("quick", "full")]
    assert [config.dataset["limit"] for config in sizes] == [48, 200]
    one = compose_config(["experiment=figure6", f"pair={pair}", "dataset.limit=7"])
    assert one.dataset["limit"] == 7
    typed = compose_config(["experiment=privacy", "experiment.plays.made=7"]).experiment
    assert typed is not None and typed["plays"]["made"] == 7


def test_rows_are_the_papers_and_their_names_those_of_the_methods() -> None:
    rows = rows_of(compose_config(["experiment=table2"]))
    hybrids = [("Hybrid SD", ""), ("ObCLIP", ""), ("ObCLIP", "cache"), ("ObCLIP", "cache+reuse")]
    alone = [(name, None, "") for name in ("cloud-only", "device-only", "vanilla OG")]
    assert [tuple(row.cells.values()) for row in rows] == [*alone, *((m, k, a) for k in (10, 5) for m, a in hybrids)]
    named = {row.run.name: row.run for row in rows}
    assert named["ObCLIP, k=10, cache"].cache.reuse is None and named["ObCLIP, k=5, cache+reuse"].cache.skip_point == 3
    assert [row.name for row in rows if row.run.hidden] == [
        "vanilla OG",
        *["ObCLIP", "ObCLIP, cache", "ObCLIP, cache+reuse"] * 2,
    ]


def test_a_cloud_with_a_schedule_of_its_own_brings_its_switch_point() -> None:
    lcm = compose_config(["experiment=table3", "pair=lcmsdxl-koala"])
    hybrids = [row for row in rows_of(lcm) if row.k is not None]
    assert {(row.k, row.run.timestep_shift) for row in hybrids} == {(4, 8)}
    assert hybrids[-1].run.cache.cache_point == 2


def test_both_schedules_of_table_4() -> None:
    shared, own = blocks_of(compose_config(["experiment=table4", "hybrid.handover=history"]))
    assert shared.methods == blocks_of(compose_config(["experiment=table3", "hybrid.handover=history"]))[0].methods
    assert [method.timestep_shift for method in own.methods] == [0, 0, 8, 8, 10, 4, 0]
    assert [method.switch_point for method in own.methods] == [8, 0, 4, 4, 4, 4, 4]
    assert not any(method.hidden or method.cache.reuse for method in own.methods)
    assert {method.handover for method in own.methods} == {"restart"}


def test_sdxl_and_lcm_sdxl_stand_for_each_other_in_the_same_folders() -> None:
    mine = ["experiment=table4", "pair.cloud.path=/mine/sdxl"]
    sdxl, lcm = (blocks_of(compose_config([*mine, *more])) for more in (["pair=sdxl-koala"], ["pair=lcmsdxl-koala"]))
    for a, b in zip(sdxl, lcm, strict=True):
        assert a.config.pair.name == b.config.pair.name and a.methods == b.methods
        assert (a.config.pair.cloud.unet, a.config.pair.cloud.steps) == (
            b.config.pair.cloud.unet,
            b.config.pair.cloud.steps,
        )
        assert a.config.pair.cloud.path == b.config.pair.cloud.path == "/mine/sdxl"


def test_figure_3_has_a_run_for_each_seed_and_each_end_once() -> None:
    blocks = blocks_of(compose_config(["experiment=figure3", "seed=7"]))
    assert [block.config.seed for block in blocks] == [7, 8, 9, 10]
    names = [method.name for method in blocks[0].methods]
    assert len(names) == len(set(names)) == 10
    assert "server-first, k=25" in names and "client-first, k=25" not in names


def test_figure_4_is_the_large_model_alone() -> None:
    (block,) = blocks_of(compose_config(["experiment=figure4"]))
    assert block.config.pair.device == block.config.pair.cloud and block.config.privacy.strategy == "replacement"
    assert [method.switch_point for method in block.methods] == [25, 20, 15, 10, 5, 3, 1, 25]
    assert [method.hidden for method in block.methods] == [True] * 7 + [False]


def test_a_history_is_shipped_only_on_one_schedule_and_before_the_end() -> None:
    found = [
        (m.switch_point, m.handover)
        for m in blocks_of(compose_config(["experiment=handover", "hybrid.steps=10"]))[0].methods
    ]
    assert found == [(10, "restart"), (0, "restart"), (5, "restart"), (5, "history")]
    assert {
        m.handover for m in blocks_of(compose_config(["experiment=handover", "pair=lcmsdxl-koala"]))[0].methods
    } == {"restart"}


def test_a_block_leaves_the_first_configuration_alone_and_sets_what_is_there() -> None:
    config = compose_config(["experiment=table2"])
    one, two = blocks_of(config)
    assert (one.candidates, two.candidates, config.dataset["attributes"]) == (2, 10, 1)
    with pytest.raises(UserError, match=r"dataset=emoji has no dataset\.attributes"):
        changed(compose_config(), {"dataset.attributes": 2})
    with pytest.raises(UserError, match="names no experiment"):
        settings_of(compose_config())


@pytest.mark.parametrize(("pair", "candidates"), [("rv4-smallsd", [2, 6]), ("mini", [2, 10])])
def test_attributes_give_their_candidates(pair: str, candidates: list[int]) -> None:
    blocks = blocks_of(compose_config(["experiment=table2", f"pair={pair}"]))
    assert [block.candidates for block in blocks] == candidates
