"""Table 3 (arXiv 2510.04153): quality and cost on captions, SD-v1.4 with BK-SDM-small or BK-SDM-tiny.

Costs are of one candidate, as the paper prints them. Rules as for Table 2: hiding changes no score; cache and skip
raise FID by less than a fifth of the gap between device-only and cloud-only; ObCLIP is better than device-only in FID
and CLIP score, at half of vanilla OG's multiply-accumulates or less.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from obclip_cli.config import Config
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.beside import paper_table
from obclip_cli.reproduction.claims import Claim
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.quality_claims import (
    acceleration_is_cheap,
    better_than_device,
    cheaper_than_vanilla,
    hiding_is_free,
)
from obclip_cli.reproduction.quality_table import (
    CAPTIONS_ON_MINI,
    block_of,
    finding,
    measure_captions,
    planned_captions,
    plot_blocks,
    read_blocks,
    where_measured,
    with_quoted_row,
    write_blocks,
)
from obclip_cli.reproduction.scoreboard import CACHE
from obclip_cli.reproduction.switch_points import default_split

TITLE = "Table 3: quality and cost on captions"
SOURCE = "Table 3"
DEVICES = {"sd14-bksdm-tiny": "bk-sdm-tiny"}
DEFAULT_DEVICE = "bk-sdm-small"
COST = "cloud_tmac_per_candidate"


def overrides(pair: str) -> list[str]:
    """The pair's captions."""
    return [*captions(pair, limit_on_mini=CAPTIONS_ON_MINI), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """The run that Tables 3, 4 and 5 share."""
    return [planned_captions(config)]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `table3.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show."""
    device = DEVICES.get(config.pair.name, DEFAULT_DEVICE)
    board = measure_captions(config, folder, progress)
    board = replace(board, table=board.table.rename(columns={"cloud_tmac": COST}).drop(columns="n"))
    block = block_of(board, paper_rows(device), label=config.pair.name, paper_label=f"SD-v1.4 with {device}")
    caption = (
        f"{TITLE}. {where_measured(config, [board])} Costs and seconds are of one candidate, as in the paper: a "
        "request costs vanilla OG and ObCLIP N times that, cloud-only and Hybrid SD once. The paper's rows are of "
        f"SD-v1.4 with {device}; what it prints as device-only's cost stands under device_tmac_paper."
    )
    stem = folder / "table3"
    write_blocks([block], stem, first=["method", "k", "acceleration"], caption=caption)
    plot_blocks(read_blocks(stem), stem.with_suffix(".png"), paper_share="cloud_share_paper", title=TITLE)
    return f"{caption}\n\n{finding([block], CACHE)}"


def paper_rows(device: str) -> pd.DataFrame:
    """The paper's rows with this device, their cost against its cloud-only, and its quotation of HE-Diffusion."""
    table = paper_table(3)
    rows = table[(table["device"] == device) | (table["method"] == "cloud-only")].drop(columns=["cloud", "device"])
    alone = rows["method"] == "device-only"
    rows = rows.assign(device_tmac=rows[COST].where(alone), **{COST: rows[COST].mask(alone, 0.0)})
    whole = rows.loc[rows["method"] == "cloud-only", COST].iloc[0]
    return with_quoted_row(rows.assign(cloud_share=(rows[COST] / whole).round(4)))


def claims(config: Config, folder: Path) -> list[Claim]:
    """What the paper says of quality, and of cost against vanilla OG."""
    blocks = read_blocks(folder / "table3")
    return [
        hiding_is_free(config, blocks, SOURCE),
        acceleration_is_cheap(config, blocks, CACHE, SOURCE),
        better_than_device(config, blocks, CACHE, SOURCE),
        cheaper_than_vanilla(blocks, CACHE, SOURCE, COST),
    ]
