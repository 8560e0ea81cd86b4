"""`obclip profile`: rows, sums and traffic."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.cost.macs import steps_macs
from obclip_cli.cost.profile import profile_pair, savings
from obclip_cli.diffusion.architectures import load_architecture
from tests.conftest import Run, assert_one_line_error, read_only

PARTS = ["attention cache", "block skip", "pivot attention", "shared first step"]


def test_the_steps_add_up_to_the_sum() -> None:
    facts = profile_pair(compose_config(["cache=paper_k10"]), 10)
    steps = [row for row in facts["rows"] if row["steps"].startswith("step")]
    assert [row["steps"] for row in steps] == ["step 0", "step 1-3", "step 4-5", "step 6-9"]
    lengths = [1, 3, 2, 4]
    total = next(row for row in facts["rows"] if (row["side"], row["steps"]) == ("cloud", "all"))
    for column in ("convolution_gmacs", "full_gmacs", "paper_gmacs"):
        summed = sum(n * row[column] for n, row in zip(lengths, steps, strict=True))
        assert total[column] == pytest.approx(summed)


def test_parts_save_where_they_work_and_add_up_to_the_plain_cost() -> None:
    """r = 4, s = 6: pivots before r, the cache from r on, the skip from s on, the shared step first."""
    cache = compose_config(["cache=paper_k10"]).cache
    model = load_architecture("bksdm-tiny")
    table = savings(model, cache, candidates=3, guided=True, steps=10)
    saving = {part: [step for step, saved in zip(table["step"], table[part], strict=True) if saved] for part in PARTS}
    assert saving == {
        "attention cache": [4, 5, 6, 7, 8, 9],
        "block skip": [6, 7, 8, 9],
        "pivot attention": [0, 1, 2, 3],
        "shared first step": [0],
    }
    plain = steps_macs(model.unet, model.text_tokens, candidates=3, guided=True, steps=10)
    sums = table[["computed", *PARTS]].sum(axis=1)
    assert list(sums) == pytest.approx([cost.total / 1e9 for cost in plain])
    assert (table[["computed", *PARTS]] >= 0).all(axis=None)


def test_bytes_of_the_paper_pair() -> None:
    """About 32 N KB come down for SD-v1.4 in fp16 (arXiv 2510.04153, Section 4.1)."""
    facts = profile_pair(compose_config(["pair=sd14-bksdm-small"]), 6)
    assert facts["bytes_down"] == 6 * 32 * 1024
    history = profile_pair(compose_config(["pair=sd14-bksdm-small", "hybrid.handover=history"]), 6)
    assert history["bytes_down"] == 2 * facts["bytes_down"]


def test_the_command_prints_rows(obclip: Callable[..., Run]) -> None:
    run = obclip("profile", "-N", "2", "--json")
    assert run.code == 0
    facts = json.loads(run.out)
    assert (facts["pair"], facts["candidates"]) == ("mini", 2)
    assert all(word in obclip("profile", "-N", "2").out for word in ("QK^T", "full", "paper", "bytes up"))


def test_no_candidates_is_an_error(obclip: Callable[..., Run]) -> None:
    assert_one_line_error(obclip("profile", "-N", "0"), "-N 0", "1..10000")


def test_a_folder_gets_tables_and_the_stack_of_each_step(obclip: Callable[..., Run], tmp_path: Path) -> None:
    asked = ["profile", "-N", "2", "cache=paper_k10", "-o", str(tmp_path / "costs")]
    run = obclip(*asked)
    assert run.code == 0, run.err
    with read_only(tmp_path):
        assert obclip(*asked).out == run.out
    written = {path.name for path in (tmp_path / "costs").iterdir()}
    tables = {f"{name}.{kind}" for name in ("costs", "per_step") for kind in ("csv", "md", "tex")}
    tables |= {"per_step.png", "per_step.svg"}
    assert written == tables | {"profile.json", "config.yaml", "environment.json"}
    steps = pd.read_csv(tmp_path / "costs" / "per_step.csv")
    costs = pd.read_csv(tmp_path / "costs" / "costs.csv")
    whole = costs[(costs["side"] == "cloud") & (costs["steps"] == "all")]["full_gmacs"].item()
    assert steps["computed"].sum() == pytest.approx(whole)


@pytest.mark.slow
def test_the_paper_s_cells_as_rows_and_files(obclip: Callable[..., Run], tmp_path: Path) -> None:
    run = obclip("profile", "--paper", "--json", "-o", str(tmp_path))
    assert run.code == 0, run.err
    rows = json.loads(run.out)
    assert len(rows) == 130
    assert {"table", "row", "column", "paper", "ours", "difference", "note"} <= set(rows[0])
    assert len(pd.read_csv(tmp_path / "paper_costs.csv")) == 130
    assert (tmp_path / "figure12.png").stat().st_size > 10_000
