"""Which methods a configuration means, and what they are called."""

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.evaluation.methods import (
    HYBRID_SD,
    OBCLIP,
    VANILLA,
    baselines_and_obclip,
    configured_method,
    is_cloud_only,
    method_name,
)

ENDS = [("cloud-only", 25, False), ("device-only", 0, False)]


def rows(*overrides: str, points: tuple[int, ...] = ()) -> list[tuple[str, int, bool]]:
    methods = baselines_and_obclip(compose_config(overrides), points)
    return [(method.name, method.switch_point, method.hidden) for method in methods]


def test_the_configured_split_is_scored_and_several_where_they_are_named() -> None:
    assert rows("hybrid.switch_point=7") == [*ENDS, ("Hybrid SD, k=7", 7, False), ("ObCLIP, k=7", 7, True)]
    several = [(f"{name}, k={k}", k, name == "ObCLIP") for name in ("Hybrid SD", "ObCLIP") for k in (5, 10)]
    assert rows("hybrid.switch_point=7", points=(5, 10)) == [*ENDS, *several]


def test_order_handover_and_shift_are_those_that_were_typed() -> None:
    history = baselines_and_obclip(compose_config(["hybrid.handover=history"]))
    assert [method.handover for method in history] == ["restart", "restart", "history", "history"]
    first = baselines_and_obclip(compose_config(["hybrid.order=client_first", "privacy=none"]))
    assert [(method.name, method.order) for method in first[2:]] == [("Hybrid SD, k=10", "client_first")]
    own = baselines_and_obclip(compose_config(["pair=lcmsdxl-koala"]))
    assert [method.switch_point for method in own] == [8, 0, 4, 4]  # on the cloud's own schedule
    assert [method.timestep_shift for method in own] == [0, 0, 8, 8]


def test_configured_caches_add_a_row() -> None:
    config = compose_config(["cache=paper_k10", "cache.reuse=null"])
    cached = baselines_and_obclip(config)[-1]
    assert (cached.name, cached.cache.skip_point, cached.hidden) == ("ObCLIP, k=10, paper_k10", 6, True)
    assert cached == configured_method(config)
    assert rows("cache.cache_point=3")[-1][0] == "ObCLIP, k=10, cache"
    in_the_clear = rows("cache=paper_k5", "hybrid.switch_point=5", "privacy=none")
    assert in_the_clear[2:] == [("Hybrid SD, k=5", 5, False), ("Hybrid SD, k=5, paper_k5", 5, False)]
    assert not any(is_cloud_only(m, config) for m in baselines_and_obclip(config)[1:])


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ((OBCLIP, 10, "cache+reuse"), "ObCLIP, k=10, cache+reuse"),
        ((HYBRID_SD, 0), "Hybrid SD, k=0"),
        ((VANILLA,), "vanilla OG"),
    ],
)
def test_names_by_which_committed_tables_are_joined(parts: tuple[str, int, str], name: str) -> None:
    assert method_name(*parts) == name
