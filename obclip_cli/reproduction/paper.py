"""The paper's tables (arXiv 2510.04153), quoted in reproduction/paper/*.csv, and how they stand beside ours."""

from collections.abc import Mapping
from math import nan
from typing import Any

import pandas as pd

from obclip_cli.evaluation.blocks import for_pair
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY, HYBRID_SD
from obclip_cli.reproduction.paper_costs import STEPS, TABLES, cloud_cost

PAPER = "_paper"
KEYS = ["method", "k", "acceleration"]
QUOTED = "HE-Diffusion (quoted)"
COSTS = ("cloud_tmac", "cloud_tmac_per_candidate")
ONE_CANDIDATE = (CLOUD_ONLY, HYBRID_SD)


def paper_table(number: int) -> pd.DataFrame:
    """A table as printed; accelerations are never missing."""
    table = pd.read_csv(TABLES / f"table{number}.csv")
    if "acceleration" in table:
        table["acceleration"] = table["acceleration"].fillna("")
    if "method" in table:
        table["method"] = table["method"].str.replace(r" \(.*\)", "", regex=True)  # the model's name in brackets
    for column in {"k", "timestep_shift"} & set(table):
        table[column] = table[column].astype("Int64")
    return table


def paper_rows(chosen: Mapping[str, Any], pair: str) -> pd.DataFrame:
    """The rows that stand beside a block, the cost of the cloud against cloud-only's, and what is counted or quoted.

    Args:
        chosen: `table`; `where`, column -> values; `counted_on`, the architecture on which rows without printed costs
            are counted; `quoted`, false where the quotation of HE-Diffusion stands elsewhere.
    """
    table = paper_table(chosen["table"])
    for column, values in chosen.get("where", {}).items():
        wanted = for_pair(values, pair)
        table = table[table[column].isin(wanted) | (table[column].isna() & (None in wanted))]
    table = table.drop(columns=[column for column in ("cloud", "device") if column in table])
    cost = next((column for column in COSTS if column in table), None)
    if cost and "device_tmac" not in table:  # device-only's cost is printed in the cloud's column
        alone = table["method"] == DEVICE_ONLY
        table = table.assign(device_tmac=table[cost].where(alone), **{cost: table[cost].mask(alone, 0.0)})
    if cost:
        whole = table.loc[table["method"] == CLOUD_ONLY, cost].iloc[0]
        table["cloud_share"] = (table[cost] / whole).round(4)
    if "counted_on" in chosen:
        table["cloud_share_counted"] = [_counted(row, chosen["counted_on"]) for row in table.to_dict("records")]
    return _with_quotation(table) if chosen.get("quoted", True) else table


def _counted(row: Mapping[Any, Any], architecture: str) -> float:
    """Our count of one of the paper's rows, against cloud-only."""
    if row["method"] in (DEVICE_ONLY, "HE-Diffusion"):
        return 0.0 if row["method"] == DEVICE_ONLY else nan
    k = STEPS if pd.isna(row["k"]) else int(row["k"])
    n = 1 if row["method"] in ONE_CANDIDATE else int(row["N"])
    cost = cloud_cost(architecture, k=k, n=n, acceleration=row["acceleration"])
    return round(cost / cloud_cost(architecture, k=STEPS, n=1), 4)


def _with_quotation(rows: pd.DataFrame) -> pd.DataFrame:
    """With HE-Diffusion's latency, which the paper quotes in its Table 2 from another work."""
    printed = paper_table(2)
    quoted = printed[printed["method"] == "HE-Diffusion"].head(1)[[*KEYS, "cloud_latency_s"]]
    both = pd.concat([rows[rows["method"] != "HE-Diffusion"], quoted.assign(method=QUOTED)], ignore_index=True)
    return both.rename(columns={"cloud_latency_s": "cloud_seconds"})


def beside(ours: pd.DataFrame, paper: pd.DataFrame, *, on: list[str]) -> pd.DataFrame:
    """Every row of either, ours first; the paper's columns end in `_paper`.

    Args:
        ours, paper: tables with the columns `on`.
    """
    quoted = paper.rename(columns={column: f"{column}{PAPER}" for column in paper.columns if column not in on})
    order = {tuple(map(str, key)): place for place, key in enumerate(ours[on].itertuples(index=False))}
    both = ours.merge(quoted, on=on, how="outer")
    places = [order.get(tuple(map(str, key)), len(order)) for key in both[on].itertuples(index=False)]
    return both.iloc[pd.Series(places).argsort(kind="stable")].reset_index(drop=True)
