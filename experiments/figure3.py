"""Figure 3: means over seeds, the orders' differences within each, and how scores change with k."""

from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import blocks_of, settings_of
from obclip_cli.evaluation.contrasts import over_seeds
from obclip_cli.report.plots import plot_sweep
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import measured
from obclip_cli.reproduction.claims import Claim, above, below, in_words, untested
from obclip_cli.reproduction.experiment import what_is_missing, write_results
from obclip_cli.reproduction.paper import PAPER, paper_rows
from obclip_cli.reproduction.score_table import draw_first, facts, interval_columns, score
from obclip_cli.runs import read_table

AGAINST = "fid_difference"
PANELS = {"fid": "FID ↓", "clip": "CLIP score ↑", AGAINST: "FID, server first minus client first"}
PRINTED = {"table": 3, "where": {"device": ["bk-sdm-small", None], "acceleration": [""]}, "quoted": False}


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure3.csv`, `.md`, `.tex`, `.png` and the runs behind them, one a seed; return the caption."""
    blocks = blocks_of(config)
    scored = [score(block, folder, progress, draw_first) for block in blocks]
    orders = {row.run.name: row.run.order for row in blocks[0].rows}
    each = [t.assign(order=t["run"].map(orders), k=t["k"].astype(int)) for t in (found.table for found in scored)]
    made = [found.run for found in scored]
    caption = write_results(config, folder, with_both_ends(each), made, *facts(scored, blocks))
    stored, title = pd.read_csv(folder / "figure3.csv"), settings_of(config)["title"]
    plot_sweep(stored, folder / "figure3.png", columns=PANELS, title=title, zero=(AGAINST,))
    return caption


def with_both_ends(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Means over seeds, the orders' differences, and the paper's printed points; both ends stand in both orders.

    Args:
        tables: one a seed, with `order`, `k`, `cloud_share`, costs and, where there are any, scores.
    """
    on = ["order", "k"]
    table = tables[0][[*on, "cloud_share", "cloud_tmac", "device_tmac"]]
    if scores := measured(tables[0]):
        means = [
            dict(zip(on, key, strict=True))
            | {c: v for s in scores for c, v in interval_columns(s, over_seeds(rows[s].to_numpy())).items()}
            for key, rows in pd.concat(tables).groupby(on, sort=False)
        ]
        table = table.merge(pd.DataFrame(means), on=on).merge(fid_differences(tables), on=on, how="left")
    if "client_first" in set(table["order"]):
        ends = table[table["cloud_share"].isin((0.0, 1.0))].assign(order="client_first")
        table = pd.concat([table, ends], ignore_index=True)
    table = table.assign(share=table["cloud_share"].where(table["order"] == "server_first"))
    table = table.merge(_printed(), on="share", how="left").drop(columns="share")
    return table.sort_values(on, ascending=[False, True], ignore_index=True)


def fid_differences(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Server-first's FID minus client-first's at the same k, over seeds; in rows of server_first."""
    wide = [table.pivot(index="k", columns="order", values="fid") for table in tables]
    found = []
    if "client_first" in wide[0]:
        each = pd.concat([table["server_first"] - table["client_first"] for table in wide], axis=1).dropna()
        found = [
            {"order": "server_first", "k": k} | interval_columns(AGAINST, over_seeds(v.to_numpy()))
            for k, v in each.iterrows()
        ]
    return pd.DataFrame(found, columns=["order", "k", AGAINST, f"{AGAINST}_low", f"{AGAINST}_high"])


def _printed() -> pd.DataFrame:
    """The points of the paper's figure that its Table 3 prints, by the cloud's share of its 25 steps."""
    table = paper_rows(PRINTED, "")
    ends = table["method"].map({"device-only": 0.0, "cloud-only": 1.0})
    scores = table[["fid", "is", "clip"]].add_suffix(PAPER)
    return scores.assign(share=ends.fillna(table["k"].astype(float) / 25)).sort_values("share")


def claims(config: Config, folder: Path) -> list[Claim]:
    """FID falls with k and CLIP score rises: least squares over k of server-first, one slope a seed."""
    blocks = blocks_of(config)
    paths = [block.run(folder) / "scores.csv" for block in blocks]
    missing = what_is_missing(config)
    tables = [] if missing else [read_table(path) for path in paths]
    return [_claim_of_slope(tables, score, missing) for score in ("fid", "clip")]


def _claim_of_slope(tables: list[pd.DataFrame], score: str, missing: str) -> Claim:
    name, way, rule = {"fid": ("FID", "falls", below), "clip": ("CLIP score", "rises", above)}[score]
    printed = _printed().set_index("share")[f"{score}{PAPER}"]
    paper = ", ".join(f"{value} at {share:.0%}" for share, value in printed.items())
    says, source = f"{name} {way} with the number of steps on the cloud (server first).", "Fig. 3 and Table 3"
    if not tables:
        return Claim(says, source, paper, "", untested(missing))
    served = [table[table["order"] == "server_first"].dropna(subset="k").sort_values("k") for table in tables]
    slope = over_seeds([float(np.polyfit(rows["k"], rows[score], 1)[0]) for rows in served])
    ends = [f"{over_seeds([float(rows[score].iloc[place]) for rows in served]).value:.4g}" for place in (0, -1)]
    ours = f"{ends[0]} (0 %) to {ends[1]} (100 %); a step on the cloud changes it by {in_words(slope)}"
    return Claim(says, source, paper, ours, rule(slope, 0, f"slope of {name} over k"))
