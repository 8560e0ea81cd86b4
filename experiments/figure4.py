"""Figure 4 (arXiv 2510.04153): replacing the prompt at first and correcting it later does not work.

One large model (SDXL in the paper) runs all steps: the first ones with one random other candidate in place of the
prompt p*, the rest with p*. The paper finds that p* must govern more than 80 % of the steps; hence its candidates.

It is Algorithm 1 with the strategy `replacement` and the same model on both sides, which hands the solver's history
over to itself: that is bit for bit one run whose words change on the way. Which candidate stands in is drawn from the
sample's seed and is never p*.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config, HybridConfig, taxonomy_path
from obclip_cli.evaluation.images import StoredImages
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.metrics.intervals import of_mean, of_share
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.plots import plot_images
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.replacement_plot import plot_replacement
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.claims import Claim, all_of, below, in_words, untested
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.scoreboard import costs, what_is_missing
from obclip_cli.reproduction.seeds import columns, estimate_of
from obclip_cli.reproduction.switch_points import default_split
from obclip_cli.runs import read_table

TITLE = "Figure 4: how many steps must see the real prompt"
# Whole steps of 25; finer where the paper's threshold lies.
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.88, 0.96, 1.0)
THRESHOLD = 0.8
NEAR = 0.05
RIGHT, LOST = "attributes", "attributes_lost"
PANELS = {
    "images that show p*'s attributes ↑": {RIGHT: "all of them", "gender": "gender", "tone": "tone", "age": "age"},
    "CLIP score to p* ↑": {"clip": "CLIP score"},
    "FID ↓": {"fid": "FID"},
    "SSIM to the image of p* alone ↑": {"ssim": "SSIM"},
}


def overrides(pair: str) -> list[str]:
    """Portraits with two sensitive attributes, so that every prompt has candidates to be replaced by."""
    return [*portraits(pair, 2, limit_on_mini=80), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """One run, of the large model alone."""
    return [Planned(one_model(config), methods(one_model(config)))]


def one_model(config: Config) -> Config:
    """The pair's large model on both sides, and p* replaced by another candidate on the first."""
    cloud = config.pair.cloud
    steps = cloud.steps or config.hybrid.steps
    # A history is DPM-Solver++'s; LCM has none to lose.
    handover = "history" if cloud.scheduler == "dpm_solver" else "restart"
    return replace(
        config,
        pair=replace(config.pair, device=cloud),
        hybrid=HybridConfig(steps, min(config.hybrid.switch_point, steps), "server_first", handover),
        privacy=replace(config.privacy, strategy="replacement", lambda_=0.0, epsilon=None),
    )


def methods(config: Config) -> list[Method]:
    """One a share, fewest steps on p* first; k is how many steps see another candidate. The last is p* alone.

    Args:
        config: as `one_model` makes it.
    """
    hybrid = config.hybrid
    found = []
    for on_own in sorted({round(share * hybrid.steps) for share in SHARES}):
        replaced = hybrid.steps - on_own
        name = f"p* in {on_own} of {hybrid.steps} steps"
        if replaced:
            found.append(Method(name, "server_first", replaced, hidden=True, handover=hybrid.handover))
        else:
            found.append(Method(name, "server_first", hybrid.steps))
    return found


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure4.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show."""
    config = one_model(config)
    ways, missing = methods(config), what_is_missing(config)
    described = pd.DataFrame([_described(config, way) for way in ways])
    if missing:
        run_folder = folder / "runs" / f"figure4-costs-{config.pair.name}"
        runs.start(run_folder, config)
        table = described.drop(columns="method")
    else:
        run_folder = folder / "runs" / f"figure4-{run_name(config, ways)}"
        scores, images, samples = run_benchmark(config, ways, run_folder, progress)
        if not runs.is_finished(run_folder, config):
            _draw(images, [sample.prompt for sample in samples], run_folder / "images.png")
            runs.mark_finished(run_folder, config)
        attributes = attribute_columns(config, read_table(run_folder / "results.csv"), [way.name for way in ways])
        table = with_scores(described, scores, attributes)
    caption = _caption(config, run_folder, missing)
    write_table(table, folder / "figure4", caption=caption)
    stored = pd.read_csv(folder / "figure4.csv")
    plot_replacement(stored, folder / "figure4.png", columns=PANELS, title=TITLE, threshold=THRESHOLD)
    return f"{caption}\n\n{finding(stored)}"


def claims(config: Config, folder: Path) -> list[Claim]:
    """The paper's threshold.

    It holds where, at every share up to 80 %, more than 5 % fewer images show all sensitive attributes of p* than
    where p* governs every step: the interval over prompts of the difference lies below -5 %. It does not hold where,
    at one of them, the interval lies above -5 %.
    """
    table = pd.read_csv(folder / "figure4.csv")
    claim = "Replacing the prompt and correcting it later fails unless p* governs more than 80 % of the steps."
    if RIGHT not in table:
        return [Claim(claim, "Fig. 4", "> 80 % (SDXL)", "not run", untested("there are no scores here"))]
    early = table[table["share"] <= THRESHOLD]
    parts = [
        below(
            estimate_of(row, LOST), -NEAR, f"share of right images against p* alone, p* in {row['share']:.0%} of steps,"
        )
        for _, row in early.iterrows()
    ]
    last = early.iloc[-1]
    ours = (
        f"right against p* alone at {last['share']:.0%}: {in_words(estimate_of(last, LOST))}; "
        f"within {NEAR:.0%} of it from {smallest_share(table):.0%} on"
    )
    return [Claim(claim, "Fig. 4", "> 80 % (SDXL)", ours, all_of(parts))]


def smallest_share(table: pd.DataFrame) -> float:
    """The smallest share from which on as many images are right as with p* alone, but for `NEAR`."""
    best = table[RIGHT].iloc[-1]
    short = table["share"][table[RIGHT] < best - NEAR]
    return float(table["share"][table["share"] > short.max()].min()) if len(short) else float(table["share"].min())


def _described(config: Config, method: Method) -> dict[str, object]:
    """A share and its costs, which are the large model's whatever the words are."""
    steps = config.hybrid.steps
    on_own = steps - (method.switch_point if method.hidden else 0)
    whole = costs(config, Method("", "server_first", steps), 1)["cloud_tmac"]
    return {
        "method": method.name,
        "share": round(on_own / steps, 4),
        "steps_replaced": steps - on_own,
        "steps_on_prompt": on_own,
        "tmac": float(f"{whole:.4g}"),
    }


def attribute_columns(config: Config, results: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """How many images show every sensitive attribute that p* says, and that against the last of `names`, p* alone.

    Args:
        results: one row a method and prompt, with 1, 0 or nothing for each attribute.
    """
    sensitive = [name for name in load_taxonomy(taxonomy_path(config.pair.taxonomy)).attributes if name in results]
    right = results.assign(right=results[sensitive].min(axis=1)).pivot(index="seed", columns="method", values="right")
    rows = []
    for name in names:
        lost = (right[name] - right[names[-1]]).to_numpy(dtype=float)
        found = columns(RIGHT, of_share(right[name].to_numpy(dtype=float)))
        rows.append({"method": name, **found, **columns(LOST, of_mean(lost, np.random.default_rng(0)))})
    return pd.DataFrame(rows)


def with_scores(described: pd.DataFrame, scores: pd.DataFrame, attributes: pd.DataFrame) -> pd.DataFrame:
    """Shares and costs, then attributes, then the other scores."""
    unwanted = ["order", "k", "cache", "n", "cloud_gmacs", "device_gmacs"]
    both = described.merge(attributes, on="method").merge(scores.drop(columns=unwanted), on="method")
    return both.drop(columns="method")


def _draw(images: dict[str, StoredImages], prompts: list[str], path: Path) -> None:
    shown = slice(0, min(8, len(prompts)))
    plot_images(path, {name: pictures[shown] for name, pictures in images.items()}, prompts[shown])


def _caption(config: Config, run_folder: Path, missing: str) -> str:
    costs_are = (
        "T multiply-accumulates of one image, counted on the architecture by the paper's convention: they do not "
        "depend on the words. 0 % is the other candidate alone; 100 % is cloud-only, whose images vanilla OG makes at "
        "N times the cost. Device-only and Hybrid SD have no place here: one model runs every step."
    )
    head = f"{TITLE}. The large model of pair {config.pair.name} alone, {config.hybrid.steps} steps"
    run = f"Run: runs/{run_folder.name}."
    if missing:
        return f"{head}. Nothing was scored: {missing}. {costs_are} {run}"
    small = "An analogue: a small model and its own judge, so only trends compare. " if config.pair.judge else ""
    return (
        f"{head}, {config.dataset['limit']} prompts of {config.dataset['name']}, seed {config.seed}. `{RIGHT}`: images "
        f"that show every sensitive attribute of p*; `{LOST}`: that, less what p* alone reaches, of pairs. Intervals "
        f"are of 95 %, over prompts. No figures of the paper's are quoted but its threshold. {small}{costs_are} {run}"
    )


def finding(table: pd.DataFrame) -> str:
    """What the table shows, in words computed from it."""
    if RIGHT not in table:
        return "Costs only: they are the same at every share."
    at = table.set_index("share")[RIGHT]
    lost = table[table[f"{LOST}_high"] < 0]["share"]
    until = f"is told apart from it up to {lost.max():.0%}" if len(lost) else "is told apart from it at no share"
    return (
        f"All sensitive attributes are right in {at.iloc[-1]:.0%} of the images of p* alone and in {at.iloc[0]:.0%} of "
        f"those of the other candidate alone. A prompt that is corrected on the way {until}, and comes within "
        f"{NEAR:.0%} of it from {smallest_share(table):.0%} of the steps on. The paper's threshold is {THRESHOLD:.0%}."
    )
