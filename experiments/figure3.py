"""Figure 3: means over seeds, the orders' differences within each, and how scores change with k."""

from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import blocks_of, settings_of
from obclip_cli.evaluation.contrasts import over_seeds, prompts_in
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.plots import plot_sweep
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import measured
from obclip_cli.reproduction.claims import Claim, above, below, in_words, untested
from obclip_cli.reproduction.contrast_claims import NAMES
from obclip_cli.reproduction.experiment import what_is_missing, write_results
from obclip_cli.reproduction.paper import PAPER, paper_rows
from obclip_cli.reproduction.power import Contrast
from obclip_cli.reproduction.score_table import draw_first, facts, interval_columns, score
from obclip_cli.runs import read_table

DISTANCES = {"fid": "FID", "fid_cloud": "FID to the cloud"}
AGAINST = "_difference"
PANELS = {
    "fid": "FID ↓",
    "fid_cloud": "FID to the cloud ↓",
    "clip": "CLIP score ↑",
    **{f"{score}{AGAINST}": f"{name}:\nserver first minus client first" for score, name in DISTANCES.items()},
}
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
    plot_sweep(
        stored,
        folder / "figure3.png",
        columns=PANELS,
        title=title,
        zero=tuple(column for column in PANELS if column.endswith(AGAINST)),
    )
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
        table = table.merge(pd.DataFrame(means), on=on)
        for distance in (score for score in DISTANCES if score in tables[0]):
            table = table.merge(differences(tables, distance), on=on, how="left")
    if "client_first" in set(table["order"]):
        ends = table[table["cloud_share"].isin((0.0, 1.0))].assign(order="client_first")
        table = pd.concat([table, ends], ignore_index=True)
    table = table.assign(share=table["cloud_share"].where(table["order"] == "server_first"))
    table = table.merge(_printed(), on="share", how="left").drop(columns="share")
    return table.sort_values(on, ascending=[False, True], ignore_index=True)


def differences(tables: list[pd.DataFrame], score: str = "fid") -> pd.DataFrame:
    """Server-first's distance minus client-first's at the same k, over seeds; in rows of server_first."""
    wide, column = [table.pivot(index="k", columns="order", values=score) for table in tables], f"{score}{AGAINST}"
    found = []
    if "client_first" in wide[0]:
        each = pd.concat([table["server_first"] - table["client_first"] for table in wide], axis=1).dropna()
        found = [
            {"order": "server_first", "k": k} | interval_columns(column, over_seeds(v.to_numpy()))
            for k, v in each.iterrows()
        ]
    return pd.DataFrame(found, columns=["order", "k", column, f"{column}_low", f"{column}_high"])


def _printed() -> pd.DataFrame:
    """The points of the paper's figure that its Table 3 prints, by the cloud's share of its 25 steps."""
    table = paper_rows(PRINTED, "")
    ends = table["method"].map({"device-only": 0.0, "cloud-only": 1.0})
    scores = table[["fid", "is", "clip"]].add_suffix(PAPER)
    return scores.assign(share=ends.fillna(table["k"].astype(float) / 25)).sort_values("share")


def claims(config: Config, folder: Path) -> list[Claim]:
    """FID falls with k and CLIP score rises: least squares over k of server-first, one slope a seed.

    Of the distances, that to the cloud's own images decides where there are any.
    """
    blocks = blocks_of(config)
    paths = [block.run(folder) / "scores.csv" for block in blocks]
    missing = what_is_missing(config)
    tables = [] if missing else [read_table(path) for path in paths]
    prompts = sum(prompts_in(block.run(folder)) for block in blocks) if tables else 0
    has_cloud = bool(tables) and all("fid_cloud" in table and table["fid_cloud"].notna().any() for table in tables)
    scores = ("fid_cloud" if has_cloud else "fid", "clip")
    return [_claim_of_slope(tables, score, missing, prompts) for score in scores]


def _claim_of_slope(tables: list[pd.DataFrame], score: str, missing: str, prompts: int) -> Claim:
    quoted = "clip" if score == "clip" else "fid"  # the paper's own score
    name, way, rule = {"fid": ("FID", "falls", below), "clip": ("CLIP score", "rises", above)}[quoted]
    printed = _printed().set_index("share")[f"{quoted}{PAPER}"]
    paper = ", ".join(f"{value} at {share:.0%}" for share, value in printed.items())
    says, source = f"{name} {way} with the number of steps on the cloud (server first).", "Fig. 3 and Table 3"
    if not tables:
        return Claim(says, source, paper, "", untested(missing))
    served = [table[table["order"] == "server_first"].dropna(subset="k").sort_values("k") for table in tables]
    slopes = {each: _slope(served, each) for each in dict.fromkeys((score, quoted))}
    told = [f"{NAMES.get(each, each)} {_ends(served, each)} by {in_words(slopes[each])}" for each in slopes]
    what = f"slope of {NAMES.get(score, score)} over k"
    tested = Contrast(what, slopes[score], 0.0, prompts)
    verdict = rule(slopes[score], 0, what, prompts)
    return Claim(says, source, paper, "; ".join(told), verdict, (tested,))


def _slope(served: list[pd.DataFrame], score: str) -> Estimate:
    return over_seeds([float(np.polyfit(rows["k"], rows[score], 1)[0]) for rows in served])


def _ends(served: list[pd.DataFrame], score: str) -> str:
    ends = [f"{over_seeds([float(rows[score].iloc[place]) for rows in served]).value:.4g}" for place in (0, -1)]
    return f"{ends[0]} (0 %) to {ends[1]} (100 %), a step on the cloud changes it"
