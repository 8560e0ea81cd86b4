"""Tables of quality against cost: written, read back, and put into words."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.errors import UserError
from obclip_cli.reproduction.quality_table import (
    QUOTED,
    finding,
    method_name,
    plot_blocks,
    read_blocks,
    rows_of,
    with_quoted_row,
    write_blocks,
)
from obclip_cli.reproduction.scoreboard import ACCELERATIONS
from tests.reproduction.hand_made import FIDS, hand_made_block

REUSE = "ObCLIP, k=10, cache+reuse"


def test_rows_are_the_papers_and_their_names_those_of_the_methods() -> None:
    rows = rows_of(compose_config(), ACCELERATIONS)
    assert [(row.method, row.k, row.acceleration) for row in rows] == [
        ("cloud-only", None, ""),
        ("device-only", None, ""),
        ("vanilla OG", None, ""),
        *((m, k, a) for k in (10, 5) for m, a in [("Hybrid SD", ""), *(("ObCLIP", a) for a in ACCELERATIONS)]),
    ]
    assert all(method_name(row.method, row.k, row.acceleration) == row.run.name for row in rows)


def test_switch_points_beyond_the_clouds_schedule_are_left_out() -> None:
    config = compose_config(["pair=lcmsdxl-koala", "hybrid.switch_point=4", "hybrid.timestep_shift=8"])
    assert {row.k for row in rows_of(config, ACCELERATIONS)} == {None, 4}


def test_what_is_written_is_read_back_and_people_see_less(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    blocks = [hand_made_block(tmp_path / "runs" / label, label=label) for label in ("N=10", "N=2")]
    write_blocks(blocks, tmp_path / "table", first=["method", "k"], caption="A caption.")
    found = read_blocks(tmp_path / "table")
    assert [(block.label, block.run) for block in found] == [(block.label, block.run) for block in blocks]
    assert found[0].switch_points == [10] and found[0].is_scored
    assert found[0].value(REUSE, "fid") == FIDS[REUSE] and found[0].value(REUSE, "fid_paper") == 100 + FIDS[REUSE]
    shown = (tmp_path / "table.md").read_text()
    assert shown.startswith("A caption.") and "run_folder" not in shown and "fid_paper" in shown
    assert "run_folder" in pd.read_csv(tmp_path / "table.csv").columns


def test_a_table_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="table2"):
        read_blocks(tmp_path / "table2")


def test_cells_that_are_no_numbers_are_nan(tmp_path: Path) -> None:
    block = hand_made_block(tmp_path / "run")
    block = replace(block, table=block.table.assign(seconds=">1e6"))
    for name, column in (("cloud-only", "seconds"), ("cloud-only", "no column"), ("no row", "fid")):
        assert pd.isna(block.value(name, column))


def test_the_quotation_is_marked_and_stands_once() -> None:
    paper = pd.DataFrame({"method": ["cloud-only", "HE-Diffusion"], "k": [None, None], "acceleration": ["", ""]})
    rows = with_quoted_row(paper.astype({"k": "Int64"}))
    assert list(rows["method"]) == ["cloud-only", QUOTED]
    assert rows["cloud_seconds"].iloc[-1] == ">1e6"


@pytest.mark.parametrize(
    ("fid", "words"), [(12.0, "between them"), (9.0, "better than both"), (21.0, "no better than either")]
)
def test_findings_say_where_a_score_lies(tmp_path: Path, fid: float, words: str) -> None:
    text = finding([hand_made_block(tmp_path / "run", fids=FIDS | {REUSE: fid})], "cache+reuse")
    assert f"cloud-only's 10, device-only's 20: {words}" in text
    assert "0.62 times cloud-only's, vanilla OG 2.00 times" in text


def test_findings_without_scores_speak_of_cost_only(tmp_path: Path) -> None:
    block = hand_made_block(tmp_path / "run")
    text = finding([replace(block, table=block.table.drop(columns=["fid", "clip"]))], "cache+reuse")
    assert "0.62" in text and "FID" not in text


@pytest.mark.parametrize("scored", [True, False])
def test_the_plot_needs_no_scores_of_ours(tmp_path: Path, scored: bool) -> None:
    block = hand_made_block(tmp_path / "run")
    table = block.table if scored else block.table.drop(columns="fid")
    plot_blocks([replace(block, table=table)], tmp_path / "plot.png", paper_share="cloud_share_paper", title="A title")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
