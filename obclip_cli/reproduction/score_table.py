"""Methods x dataset: scored where weights and data allow it, counted in any case, and set beside the paper's rows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config, plain
from obclip_cli.cost.macs import run_macs
from obclip_cli.cost.profile import architecture_of
from obclip_cli.data import Sample
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.blocks import Block, blocks_of, for_pair, settings_of
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import judged, run_benchmark
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.report.plots import plot_tradeoff
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.experiment import measured_on, what_is_missing, write_results
from obclip_cli.reproduction.paper import KEYS, PAPER, beside, paper_rows
from obclip_cli.reproduction.timing import Part, seconds_of, spread
from obclip_cli.runs import read_table

ROUNDS = 3
LATENCY = "latency.csv"
SHOWN = 8  # prompts in the grid of images
# What only programs need.
HIDDEN = ("name", "block", "paper_block", "run_folder", "kid", "fid_cloud_inf")
SCORES = ("fid", "fid_cloud", "is", "clip", "ssim", "distance", "gender", "tone", "age", "role_top3")
COSTS = ("cloud_share", "cloud_tmac", "cloud_tmac_per_candidate", "device_tmac", "cloud_seconds")
IN_SCORES = ["order", "k", "cache", "n", "cloud_gmacs", "device_gmacs"]  # columns of a run that say what we say anew
COUNTED = (
    "Multiply-accumulates are counted on the architectures, by the paper's convention: one attention product in the "
    "cloud, none on the device. Columns that end in _paper are the paper's figures."
)
ANALOGUE = (
    "Scores are by the small pair's own judge: they show trends and are not comparable with the paper's figures, nor "
    "are costs but for their ratios."
)
Finish = Callable[[Path, dict[str, StoredImages], list[Sample]], None]


@dataclass(frozen=True)
class Scored:
    """A block after its run.

    Attributes:
        table: one row a `Row`: its cells, `run` (the method's name), costs, and scores unless something is missing.
        run: the run folder.
        missing: what is not on this machine; empty where all was scored.
    """

    table: pd.DataFrame
    run: Path
    missing: str


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write NAME.csv, .md, .tex, .png of an experiment that YAML says all of, and its runs; return the caption."""
    experiment = settings_of(config)
    stem = folder / experiment["name"]
    blocks = blocks_of(config)
    scored = [score_and_time(block, folder, progress) for block in blocks]
    tables = [_with_paper(block, found) for block, found in zip(blocks, scored, strict=True)]
    if "columns" in experiment:
        whole = shown = pd.concat(tables, ignore_index=True).reindex(columns=experiment["columns"])
        whole = shown = pd.concat([whole, pd.DataFrame(experiment.get("more_rows", []))], ignore_index=True)
    else:
        whole, shown = arranged(pd.concat(tables, ignore_index=True), experiment["first"])
    made = [found.run for found in scored]
    caption = write_results(config, folder, shown, made, *facts(scored, blocks), _unlike(blocks), whole=whole)
    PLOTS[experiment["plot"]](config, blocks, tables, stem.with_suffix(".png"))
    return caption


def score(block: Block, folder: Path, progress: ProgressBar, finish: Finish = lambda *_: None) -> Scored:
    """Score a block's methods and count their costs.

    Args:
        folder: where `runs/` is.
        finish: writes what else belongs into the run folder, given that, every method's images, and the samples.
    """
    missing = what_is_missing(block.config)
    place = block.run(folder, missing)
    table = _counted(block)
    if missing:
        if not runs.is_finished(place, block.config, plain(block.config)):  # runs of several settings share it
            runs.start(place, block.config)
            runs.mark_finished(place, block.config, plain(block.config))
        return Scored(table, place, missing)
    scores, images, samples = run_benchmark(block.config, block.methods, place, progress)
    if not runs.is_finished(place, block.config):
        finish(place, images, samples)
        runs.mark_finished(place, block.config)
    scores = scores.drop(columns=[column for column in IN_SCORES if column in scores])
    return Scored(table.merge(scores.rename(columns={"method": "run"}), on="run", how="left"), place, "")


def score_and_time(block: Block, folder: Path, progress: ProgressBar) -> Scored:
    """The same, and the cloud's median seconds for a batch of N."""

    def time(place: Path, *_: Any) -> None:  # times of another machine are not ours
        found = spread(seconds_of(block.config, cloud_parts(block), ROUNDS, progress))
        names = [row.run.name for row in block.rows]
        seconds = found.set_index("part")["seconds"].loc[names].map(lambda value: float(f"{value:.3g}"))
        times = pd.DataFrame({"run": names, "cloud_seconds": seconds.to_numpy()})
        runs.write_text(place / LATENCY, times.to_csv(index=False))

    found = score(block, folder, progress, time)
    if found.missing:
        return found
    return Scored(found.table.merge(read_table(found.run / LATENCY), on="run", how="left"), found.run, "")


def cloud_parts(block: Block) -> list[Part]:
    """What the cloud runs for each row, on N prompts where they are hidden."""
    return [Part.of(block.config, m, "cloud", block.candidates if m.hidden else 1) for m in block.methods]


def costs(config: Config, method: Method, candidates: int) -> dict[str, float]:
    """T multiply-accumulates of one image by the paper's convention: `cloud_tmac`, `device_tmac`; and `n`."""
    n = candidates if method.hidden else 1
    on_cloud, on_device = run_macs(
        architecture_of(config.pair.cloud),
        architecture_of(config.pair.device),
        split(config.pair, method.hybrid(config.hybrid.steps)),
        cache=method.cache,
        candidates=n,
        batch=config.rows_at_once,
    )
    cloud, device = sum(step.paper_cloud for step in on_cloud), sum(step.paper_device for step in on_device)
    return {"cloud_tmac": cloud / 1e12, "device_tmac": device / 1e12, "n": n}


def _counted(block: Block) -> pd.DataFrame:
    config = block.config
    whole = costs(config, Method("", "server_first", config.cloud_steps), 1)["cloud_tmac"]
    rows = []
    for row in block.rows:
        found = costs(config, row.run, block.candidates)
        spent = {side: float(f"{found[side]:.4g}") for side in ("cloud_tmac", "device_tmac")}
        share = {"cloud_share": round(found["cloud_tmac"] / whole, 4)}
        rows.append({**row.cells, "run": row.run.name, **share, **spent, "n": int(found["n"])})
    table = pd.DataFrame(rows)
    whole_numbers = [column for column in ("k", "timestep_shift") if column in table]
    return table.astype(dict.fromkeys(whole_numbers, "Int64"))


def _with_paper(block: Block, found: Scored) -> pd.DataFrame:
    """A block's rows, beside the paper's where it names any, with what tells the blocks apart."""
    templates = "templates" in block.config.dataset
    ours = found.table.rename(columns={"n": "rows"} if templates else {"cloud_tmac": "cloud_tmac_per_candidate"})
    table = (ours.assign(N=block.candidates) if templates else ours.drop(columns="n")).drop(columns="run")
    if block.paper:
        paper = paper_rows(block.paper, block.config.pair.name)
        table = beside(table, paper, on=[key for key in (*KEYS, "timestep_shift") if key in table and key in paper])
    table.insert(0, "name", [_named(row) for row in table.to_dict("records")])
    table.insert(0, "paper_block", paper_label(block))
    table.insert(0, "block", block.label)
    told = {"attributes": block.config.dataset["attributes"]} if templates else {}
    return table.assign(run_folder=found.run.name, **told, **block.settings.get("cells", {}))


def _named(row: dict[Any, Any]) -> str:
    """A row's name, which is its method's in the run."""
    known = {key: row[key] for key in ("k", "timestep_shift") if key in row and not pd.isna(row[key])}
    parts = [row["method"], f"k={known['k']}" if "k" in known else "", row["acceleration"]]
    return ", ".join(filter(None, [*parts, f"dt={known['timestep_shift']}" if "timestep_shift" in known else ""]))


def paper_label(block: Block) -> str:
    """What the paper's rows beside a block are of."""
    label: str = for_pair(block.paper.get("label", ""), block.config.pair.name)
    return label


def arranged(table: pd.DataFrame, first: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All columns, and those that people need: `first`, scores with intervals, costs, the paper's next to ours."""
    ends = ("", "_low", "_high")
    hidden = [f"{name}{end}" for name in HIDDEN for end in ends if f"{name}{end}" in table]
    scores = [f"{name}{end}" for name in SCORES for end in (*ends, PAPER)]
    wanted = [*first, *scores, *(f"{cost}{end}" for cost in COSTS for end in ("", PAPER))]
    leading = [column for column in wanted if column in table]
    rest = [column for column in table if column not in (*leading, *hidden)]
    shown = table[[*leading, *rest]].dropna(axis="columns", how="all")
    return table[[*hidden, *shown]], shown


def draw_first(place: Path, images: dict[str, StoredImages], samples: list[Sample]) -> None:
    """The first images of every method, into the run folder."""
    prompts = [sample.prompt for sample in samples[:SHOWN]]
    plot_grid(place / "images.png", {name: found[: len(prompts)] for name, found in images.items()}, prompts)


def interval_columns(score: str, estimate: Estimate) -> dict[str, float]:
    """A score and its ends as columns of a table, to five digits."""
    ends = {score: estimate.value, f"{score}_low": estimate.low, f"{score}_high": estimate.high}
    return {name: float(f"{value:.5g}") for name, value in ends.items()}


def facts(scored: list[Scored], blocks: list[Block]) -> list[str]:
    """The part of a caption on scores and costs: sources of scores, what was counted, what was timed where."""
    if missing := next((found.missing for found in scored if found.missing), ""):
        return [f"Nothing was scored or timed: {missing}.", COUNTED]
    config, first = blocks[0].config, scored[0].run
    timed = (first / LATENCY).exists()
    seconds = f"Seconds: the cloud's part, median of {ROUNDS} on {measured_on(first)}; the paper's on a V100."
    return [judged(config, first), COUNTED, seconds if timed else "", ANALOGUE if config.pair.judge else ""]


def _unlike(blocks: list[Block]) -> str:
    pairs = [(block.label, paper_label(block)) for block in blocks if block.candidates > 1]
    told = [f"our {ours} stands beside its {papers}" for ours, papers in pairs if ours != papers]
    return f"Our attributes have other values than the paper's: {', '.join(told)}." if told else ""


def _plot_tradeoff(config: Config, blocks: list[Block], tables: list[pd.DataFrame], path: Path) -> None:
    """FID over the cloud's cost: each block's, and the paper's rows beside it."""
    panels = {}
    for block, table in zip(blocks, tables, strict=True):
        ours = [column for column in ("name", "cloud_share", "fid", "fid_low", "fid_high") if column in table]
        panels[f"ours, {block.label}"] = table[ours].assign(fid=table.get("fid"))
        if not block.paper:
            continue
        share = next(name for name in (f"cloud_share{PAPER}", f"cloud_share_counted{PAPER}") if name in table)
        columns = {"name": "name", share: "cloud_share", f"fid{PAPER}": "fid"}
        panels[f"the paper's, {paper_label(block)}"] = table[list(columns)].rename(columns=columns)
    plot_tradeoff(panels, path, score="fid", label="FID ↓", title=settings_of(config)["title"])


def _plot_bars(config: Config, blocks: list[Block], tables: list[pd.DataFrame], path: Path) -> None:
    """Our distances with their intervals, of every row that either has, and the paper's FID where it prints one."""
    named = [
        table.set_index(table["name"] + (f" ({block.label})" if len(blocks) > 1 else ""))
        for block, table in zip(blocks, tables, strict=True)
    ]
    rows = pd.concat(named)
    ours = {
        f"{title}, pair {config.pair.name} ↓": rows.reindex(columns=[score, f"{score}_low", f"{score}_high"])
        for score, title in (("fid", "FID"), ("fid_cloud", "FID to the cloud's own"))
    }
    panels = {title: table for title, table in ours.items() if table.notna().any(axis=None)}
    printed = rows.reindex(columns=[f"fid{PAPER}"])
    if printed.notna().any(axis=None) or not panels:
        panels["the paper's FID ↓"] = printed
    some = pd.concat(panels.values(), axis=1).notna().any(axis=1)
    plot_bars({title: table[some] for title, table in panels.items()}, path, title=settings_of(config)["title"])


PLOTS = {"tradeoff": _plot_tradeoff, "bars": _plot_bars}
