"""Figure 3 (arXiv 2510.04153): FID and CLIP score against the cloud's share of the steps, in both orders.

The paper's finding, on SD-v1.4 with BK-SDM-small and MS-COCO: while the cloud runs 0-40 % of the steps,
letting it go first beats letting it go last. The prompt is in the clear here (Hybrid SD): the figure is
about the order, and without caches hiding changes no image. One seed is one draw of prompts and noise, so
everything is run with several; the orders are compared within each.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.config import ORDERS, Config
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.plots import plot_images, plot_sweep
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.score_table import measured
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.beside import paper_table
from obclip_cli.reproduction.claims import Claim, above, all_of, below, in_words, untested
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.scoreboard import costs, what_is_missing
from obclip_cli.reproduction.seeds import columns, estimate_of, over_seeds, seeded, table_over_seeds
from obclip_cli.reproduction.switch_points import default_split
from obclip_cli.runs import read_table

TITLE = "Figure 3: which side should go first"
SEEDS = 4
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
EARLY = 0.4  # up to this share of the steps the paper lets the server go first
QUOTED = "bk-sdm-small"  # the device of the paper's figure; its Table 3 prints some of the figure's points
AGAINST = "fid_difference"
PANELS = {"fid": "FID ↓", "clip": "CLIP score ↑", AGAINST: "FID, server first minus client first"}


def overrides(pair: str) -> list[str]:
    """The pair's captions; on `mini` so many for each seed."""
    return [*captions(pair, limit_on_mini=60), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """One run a seed."""
    return [Planned(one, methods(one)) for one in seeded(config, SEEDS)]


def methods(config: Config) -> list[Method]:
    """Both orders at every share; both ends are the same run in either order.

    A cloud with a schedule of its own hands over to the device's, and cannot go last.
    """
    steps = _steps(config)
    orders = ORDERS if config.pair.cloud.steps is None else ORDERS[:1]
    return [
        Method(f"{order.replace('_', '-')}, k={k}", order, k, timestep_shift=config.hybrid.timestep_shift)
        for order in orders
        for k in sorted({round(share * steps) for share in SHARES})
        if order == "server_first" or 0 < k < steps
    ]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure3.csv`, `.md`, `.tex`, `.png` and the runs behind them, one a seed; return what they show."""
    missing = what_is_missing(config)
    if missing:
        runs.start(folder / "runs" / f"figure3-costs-{config.pair.name}", config)
    else:
        for one in seeded(config, SEEDS):
            _run_seed(one, folder, progress)
    tables = [] if missing else seed_tables(config, folder)
    table = with_both_ends(_described(config), tables)
    caption = _caption(config, folder, missing)
    write_table(table, folder / "figure3", caption=caption)
    stored = pd.read_csv(folder / "figure3.csv")
    plot_sweep(stored, folder / "figure3.png", columns=PANELS, title=TITLE, zero=(AGAINST,))
    return f"{caption}\n\n{finding(stored, fid_slope(tables) if tables else None)}"


def claims(config: Config, folder: Path) -> list[Claim]:
    """What the paper says of the order and of k.

    * Server-first beats client-first at 20 % and at 40 %: at both, the interval over seeds of the difference of FIDs
      lies below 0.
    * FID falls with k and CLIP score rises: the slope over k of server-first (least squares, one a seed) has its
      interval below, or above, 0.
    """
    table = pd.read_csv(folder / "figure3.csv")
    tables = [] if what_is_missing(config) else seed_tables(config, folder)
    return [_claim_of_order(table), _claim_of_slope(tables, "fid"), _claim_of_slope(tables, "clip")]


def _claim_of_order(table: pd.DataFrame) -> Claim:
    early = _compared(table).query("cloud_share <= @EARLY")
    found = {f"{row['cloud_share']:.0%}": estimate_of(row, AGAINST) for _, row in early.iterrows()}
    parts = [below(value, 0, f"FID, server first minus client first, at {share},") for share, value in found.items()]
    return Claim(
        "While the cloud runs up to 40 % of the steps, letting it go first gives a lower FID than letting it go last.",
        "Fig. 3",
        "lower at 20 % and 40 % (no figures to quote)",
        "; ".join(f"{share}: {in_words(value)}" for share, value in found.items()) or "not run",
        all_of(parts) if parts else untested("there are no scores of both orders here"),
    )


def _claim_of_slope(tables: list[pd.DataFrame], score: str) -> Claim:
    name, way, rule = {"fid": ("FID", "falls", below), "clip": ("CLIP score", "rises", above)}[score]
    printed = _printed()
    paper = ", ".join(f"{value} at {share:.0%}" for share, value in printed[f"{score}_paper"].items())
    claim, source = f"{name} {way} with the number of steps on the cloud (server first).", "Fig. 3 and Table 3"
    if not tables:
        return Claim(claim, source, paper, "not run", untested("there are no scores here"))
    slope = _slope(tables, score)
    ends = [f"{over_seeds([float(_served(table)[score].iloc[i]) for table in tables]).value:.4g}" for i in (0, -1)]
    ours = f"{ends[0]} (0 %) to {ends[1]} (100 %); a step on the cloud changes it by {in_words(slope)}"
    return Claim(claim, source, paper, ours, rule(slope, 0, f"slope of {name} over k"))


def _run_seed(config: Config, folder: Path, progress: ProgressBar) -> None:
    """Score one seed's sweep, and draw its first images."""
    sweep, run_folder = methods(config), _run_folder(config, folder)
    _, images, samples = run_benchmark(config, sweep, run_folder, progress)
    if not runs.is_finished(run_folder, config):
        _draw(images, [sample.prompt for sample in samples], run_folder / "images.png")
        runs.mark_finished(run_folder, config)


def _draw(images: dict[str, StoredImages], prompts: list[str], path: Path) -> None:
    shown = slice(0, min(8, len(prompts)))
    plot_images(path, {name: pictures[shown] for name, pictures in images.items()}, prompts[shown])


def _run_folder(config: Config, folder: Path) -> Path:
    return folder / "runs" / f"figure3-{run_name(config, methods(config))}"


def seed_tables(config: Config, folder: Path) -> list[pd.DataFrame]:
    """Each seed's scores as its run wrote them, without the reference images' row."""
    tables = [read_table(_run_folder(one, folder) / "scores.csv") for one in seeded(config, SEEDS)]
    return [table[table["k"].notna()].astype({"k": int}) for table in tables]


def _described(config: Config) -> pd.DataFrame:
    """Each method with its share and costs, in T multiply-accumulates of one image."""
    rows = []
    for method in methods(config):
        found = costs(config, method, 1)
        spent = {side: float(f"{found[side]:.4g}") for side in ("cloud_tmac", "device_tmac")}
        share = round(method.switch_point / _steps(config), 4)
        rows.append({"order": method.order, "k": method.switch_point, "cloud_share": share, **spent})
    return pd.DataFrame(rows)


def with_both_ends(described: pd.DataFrame, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The whole table: means over seeds, the orders' differences, and the paper's printed points.

    Device-only (0 %) and cloud-only (100 %) are listed in both orders, where there are two.

    Args:
        described: `order`, `k`, `cloud_share` and the costs of each method.
        tables: each seed's scores, with `order` and `k`; none where nothing could be run.
    """
    table = described
    if tables:
        table = table.merge(table_over_seeds(tables, on=["order", "k"]), on=["order", "k"])
        table = table.merge(fid_differences(tables), on=["order", "k"], how="left")
    if "client_first" in set(table["order"]):
        ends = table[table["cloud_share"].isin((0.0, 1.0))].assign(order="client_first")
        table = pd.concat([table, ends], ignore_index=True)
    table = table.assign(share=table["cloud_share"].where(table["order"] == "server_first"))
    table = table.merge(_printed().rename_axis("share").reset_index(), on="share", how="left").drop(columns="share")
    return table.sort_values(["order", "k"], ascending=[False, True], ignore_index=True)


def fid_differences(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Server-first's FID minus client-first's at the same k, over seeds; in rows of server_first."""
    wide = [table.pivot(index="k", columns="order", values="fid") for table in tables]
    if "client_first" not in wide[0]:
        return pd.DataFrame(columns=["order", "k", AGAINST, f"{AGAINST}_low", f"{AGAINST}_high"])
    each = pd.concat([table["server_first"] - table["client_first"] for table in wide], axis=1).dropna()
    found = {k: over_seeds(values.to_numpy(dtype=float)) for k, values in each.iterrows()}
    return pd.DataFrame([{"order": "server_first", "k": k} | columns(AGAINST, value) for k, value in found.items()])


def fid_slope(tables: list[pd.DataFrame]) -> Estimate:
    """By how much server-first's FID changes with one step more on the cloud, over seeds."""
    return _slope(tables, "fid")


def _slope(tables: list[pd.DataFrame], score: str) -> Estimate:
    served = [_served(table) for table in tables]
    return over_seeds([float(np.polyfit(rows["k"], rows[score], 1)[0]) for rows in served])


def _served(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["order"] == "server_first"].sort_values("k")


def _printed() -> pd.DataFrame:
    """The points of the paper's figure that its Table 3 prints, by the cloud's share of its 25 steps."""
    table = paper_table(3)
    ours = table[(table["acceleration"] == "") & ((table["device"] == QUOTED) | (table["method"] == "cloud-only"))]
    ends = ours["method"].map({"device-only": 0.0, "cloud-only": 1.0})
    shares = ends.fillna(ours["k"].astype(float) / 25)
    scores = ours[["fid", "is", "clip"]].add_suffix("_paper")
    return scores.set_index(pd.Index(shares, dtype=float)).sort_index()


def _steps(config: Config) -> int:
    """All steps, on the cloud's schedule."""
    return config.pair.cloud.steps or config.hybrid.steps


def _caption(config: Config, folder: Path, missing: str) -> str:
    paper = (
        f"Columns in _paper: what Table 3 prints of SD-v1.4 with {QUOTED}. Multiply-accumulates are counted on the "
        "architectures, by the paper's convention. The prompt is in the clear, as in Hybrid SD; 0 % is device-only, "
        "100 % cloud-only, and vanilla OG makes cloud-only's images at N times the cost."
    )
    if missing:
        return f"{TITLE}. Pair {config.pair.name}, {_steps(config)} steps. Nothing was scored: {missing}. {paper}"
    names = ", ".join(f"runs/{_run_folder(one, folder).name}" for one in seeded(config, SEEDS))
    last = config.seed + SEEDS - 1
    small = " An analogue: a small pair and FID by its own judge, so only trends compare." if config.pair.judge else ""
    return (
        f"{TITLE}. Pair {config.pair.name}, {_steps(config)} steps; means over seeds {config.seed} to {last} with "
        f"Student's 95 % interval, {config.dataset.get('limit') or 'all'} held-out prompts of "
        f"{config.dataset['name']} in each. `{AGAINST}`: server first minus client first, within each seed.{small} "
        f"{paper} Runs: {names}."
    )


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows at which both orders were scored."""
    return table[table[AGAINST].notna()] if AGAINST in measured(table) else table.iloc[:0]


def finding(table: pd.DataFrame, slope: Estimate | None) -> str:
    """What the table says of the order and of k.

    Args:
        slope: of server-first's FID over k; None where nothing was scored.
    """
    rows = _compared(table)
    if slope is None:
        return "Costs only: the order of the two sides changes images, not multiply-accumulates."
    falls = f"A step more on the cloud changes server-first's FID by {in_words(slope)}."
    if rows.empty:
        return falls
    lower, higher = (rows[rows[f"{AGAINST}_high"] < 0], rows[rows[f"{AGAINST}_low"] > 0])
    told = [f"{len(rows)} shares compared"]
    told += [f"server first has the lower FID at {_shares(lower)}"] if len(lower) else []
    told += [f"client first has the lower FID at {_shares(higher)}"] if len(higher) else []
    apart = len(lower) + len(higher)
    told += [f"the two cannot be told apart at {_shares(rows.drop([*lower.index, *higher.index]))}"]
    verdict = _claim_of_order(table).verdict
    return (
        f"{'; '.join(told if apart < len(rows) else told[:-1])}. The paper finds server first better up to 40 %; "
        f"on this pair: {verdict.word}. {falls}"
    )


def _shares(rows: pd.DataFrame) -> str:
    return ", ".join(f"{share:.0%}" for share in rows["cloud_share"])
