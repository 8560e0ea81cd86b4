"""Our rows and the paper's, side by side."""

import pandas as pd

from obclip_cli.reproduction.paper_costs import TABLES

PAPER = "_paper"
KEYS = ["method", "k", "acceleration"]


def paper_table(number: int) -> pd.DataFrame:
    """A table of the paper (arXiv 2510.04153) as printed, quoted in report/paper; accelerations are never missing."""
    table = pd.read_csv(TABLES / f"table{number}.csv")
    if "acceleration" in table:
        table["acceleration"] = table["acceleration"].fillna("")
    if "method" in table:
        table["method"] = table["method"].str.replace(r" \(.*\)", "", regex=True)  # the model's name in brackets
    if "k" in table:
        table["k"] = table["k"].astype("Int64")
    return table


def beside(ours: pd.DataFrame, paper: pd.DataFrame, *, on: list[str]) -> pd.DataFrame:
    """Every row of either, ours first; the paper's columns end in `_paper`.

    Args:
        ours, paper: tables with the columns `on`.
    """
    quoted = paper.rename(columns={column: f"{column}{PAPER}" for column in paper.columns if column not in on})
    order = {tuple(map(str, key)): place for place, key in enumerate(ours[on].itertuples(index=False))}
    both = ours.merge(quoted, on=on, how="outer")
    last = len(order)
    places = [order.get(tuple(map(str, key)), last) for key in both[on].itertuples(index=False)]
    return both.iloc[pd.Series(places).argsort(kind="stable")].reset_index(drop=True)
