"""Tables 2 and 6 (arXiv 2510.04153): the candidate-prompt dataset, one block a number of sensitive attributes."""

from dataclasses import replace
from math import nan
from pathlib import Path

import pandas as pd

from obclip_cli.config import Config
from obclip_cli.data.templates import load_templates
from obclip_cli.errors import UserError
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.beside import paper_table
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.paper_costs import STEPS, cloud_cost
from obclip_cli.reproduction.quality_table import (
    QUOTED,
    Block,
    block_of,
    finding,
    plot_blocks,
    read_blocks,
    rows_of,
    where_measured,
    with_quoted_row,
    write_blocks,
)
from obclip_cli.reproduction.scoreboard import ACCELERATIONS, REUSE, Board, measure

# Attributes a prompt has -> candidates in the paper: gender; and age; and ethnicity.
PAPER_CANDIDATES = {1: 2, 2: 6, 3: 30}
CLOUD = "sd14"  # the architecture of the paper's cloud model, Realistic Vision v4.0
ONE_ROW = ("cloud-only", "Hybrid SD")


def with_attributes(config: Config, attributes: int) -> Config:
    """The same configuration with so many sensitive attributes in every prompt.

    Raises:
        UserError: the dataset is not one of filled templates.
    """
    if "templates" not in config.dataset:
        raise UserError(f"dataset={config.dataset['name']} has no templates; choose portraits or emoji_portraits")
    return replace(config, dataset={**config.dataset, "attributes": attributes})


def candidates_of(config: Config) -> int:
    """N: every combination of the values of the attributes that the prompts have."""
    return len(load_templates(config.dataset["templates"]).assignments(config.dataset["attributes"]))


def paper_rows(number: int, candidates: int) -> pd.DataFrame:
    """The paper's rows for N, their cost against its cloud-only, and the same counted where it prints none.

    Args:
        number: of the table, 2 or 6.
    """
    table = paper_table(number)
    rows = with_quoted_row(table[table["N"] == candidates])
    if "cloud_tmac" in rows:
        whole = rows.loc[rows["method"] == "cloud-only", "cloud_tmac"].iloc[0]
        return rows.assign(cloud_share=(rows["cloud_tmac"] / whole).round(4))
    return rows.assign(cloud_share_counted=[_counted(row, candidates) for _, row in rows.iterrows()])


def _counted(row: pd.Series, candidates: int) -> float:
    """Our count of a row of the paper on its cloud model's architecture, against cloud-only; nan of the quotation."""
    if row["method"] in ("device-only", QUOTED):
        return 0.0 if row["method"] == "device-only" else nan
    k = STEPS if pd.isna(row["k"]) else int(row["k"])
    n = 1 if row["method"] in ONE_ROW else candidates
    cost = cloud_cost(CLOUD, k=k, n=n, acceleration=row["acceleration"])
    return round(cost / cloud_cost(CLOUD, k=STEPS, n=1), 4)


def measure_portraits(
    config: Config, attributes: int, number: int, folder: Path, progress: ProgressBar
) -> tuple[Block, Board]:
    """Run, count and time every row for one number of attributes, and put the paper's rows beside."""
    chosen = with_attributes(config, attributes)
    candidates = candidates_of(chosen)
    rows = rows_of(chosen, ACCELERATIONS)
    name = f"table{number}-n{candidates}"
    board = measure(chosen, rows, folder, progress, name=name, candidates=candidates)
    board = replace(board, table=board.table.rename(columns={"n": "rows"}).assign(N=candidates))
    of_paper = PAPER_CANDIDATES[attributes]
    block = block_of(board, paper_rows(number, of_paper), label=f"N={candidates}", paper_label=f"N={of_paper}")
    block.table.insert(0, "attributes", attributes)
    return block, board


def planned_portraits(config: Config, attributes: int) -> Planned:
    """What `measure_portraits` runs."""
    chosen = with_attributes(config, attributes)
    return Planned(chosen, [row.run for row in rows_of(chosen, ACCELERATIONS)])


def write_portraits(
    config: Config, measured: list[tuple[Block, Board]], number: int, folder: Path, *, title: str, note: str
) -> str:
    """Write `tableNUMBER.csv`, `.md`, `.tex` and `.png`; return the caption and what the table shows.

    Args:
        note: what is to be said of this table's figures in the paper.
    """
    blocks = [block for block, _ in measured]
    unlike = [f"{b.label} stands beside its {b.paper_label}" for b in blocks if b.label != b.paper_label]
    beside = f" Our attributes have other values than the paper's: our {', '.join(unlike)}." if unlike else ""
    caption = f"{title}. {where_measured(config, [board for _, board in measured])}{beside} {note}"
    first = ["attributes", "N", "N_paper", "method", "k", "acceleration"]
    stem = folder / f"table{number}"
    write_blocks(blocks, stem, first=first, caption=caption)
    share = "cloud_share_paper" if number == 2 else "cloud_share_counted_paper"
    plot_blocks(read_blocks(stem), stem.with_suffix(".png"), paper_share=share, title=title)
    return f"{caption}\n\n{finding(blocks, REUSE)}"
