"""N = 30: how near images stay to the cloud's by whose attention maps are shared, and by which.

A candidate's image depends on its own row and its pivot's only. So a pivot for each value of an attribute is the scheme
on those candidates that have the prompt's value.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.cloud.accelerate.pivot_attention import pivot_place
from obclip_cli.config import CacheConfig, Config, taxonomy_path
from obclip_cli.data import Sample
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import REUSE, paper_cache, settings_of
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import generate_images, load_pair
from obclip_cli.evaluation.methods import Method, both_ends
from obclip_cli.metrics.intervals import of_mean
from obclip_cli.metrics.scores import BATCH, measure
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, below, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.grids import hidden_samples
from obclip_cli.reproduction.score_table import interval_columns
from obclip_cli.runs import read_table

SCORES = ("distance", "ssim", "clip", "gender", "tone", "role_top3")
CHANGE = "change"
SELF, SAYS = (
    "self-attention only",
    "Sharing self-attention maps only stays nearer to the cloud's images than sharing both.",
)
OURS = ("our own question; Table 6 shares both", "no figures to quote")


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `pivots.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    pairs.require(config.pair)
    place = _run_of(config, folder)
    if not runs.is_finished(place, config):
        table = readings(config, progress)
        runs.start(place, config)
        runs.write_text(place / "readings.csv", table.to_csv(index=False, float_format="%.5g"))
        runs.mark_finished(place, config)
    read = read_table(place / "readings.csv")
    table, paper = by_setting(read, settings_of(config)["paper"]), settings_of(config)["paper"]
    tried = table[table["setting"].isin(settings_of(config)["settings"]) & (table["pivots"] > 0)]
    best, prompts = tried.sort_values("distance")["setting"].iloc[0], read["seed"].nunique()
    fact = f"{prompts} prompts. Of the settings that share maps the nearest is: {best}; the paper's: {paper}."
    caption = write_results(config, folder, table, place, fact)
    shown = pd.read_csv(folder / "pivots.csv").set_index("setting")
    panels = {"judge's distance to cloud-only ↓": shown[["distance", "distance_low", "distance_high"]]}
    plot_bars(panels, folder / "pivots.png", title=f"{settings_of(config)['title']} ({config.pair.name})")
    return caption


def _run_of(config: Config, folder: Path) -> Path:
    return run_folder(config, folder, settings_of(config)["settings"], settings_of(config)["k"])


def readings(config: Config, progress: ProgressBar) -> pd.DataFrame:
    """One row a prompt and setting: scores, how many pivots it takes, and what the pivot of the whole set shows."""
    hidden, judge, pair = hidden_samples(config), load_extractor(config), load_pair(config)
    taxonomy, experiment = load_taxonomy(taxonomy_path(config.pair.taxonomy)), settings_of(config)
    k, cloud, tables = experiment["k"], None, []
    asked: list[tuple[str, Method, list[CandidateSet], int]] = [
        (method.name, method, hidden.sets, 0) for method in both_ends(config)
    ]
    for name, settings in experiment["settings"].items():
        cache, per = _cache(k, settings), settings.get("per", [])
        sets = [_alike(found, per, taxonomy) for found in hidden.sets]
        pivots = 0 if cache.reuse is None else len(hidden.sets[0].prompts) // len(sets[0].prompts)
        asked.append((name, Method(name, "server_first", k, hidden=True, cache=cache), sets, pivots))
    for name, method, sets, pivots in asked:
        images = generate_images(pair, hidden.samples, [method], sets, progress)[name]
        cloud = images if cloud is None else cloud
        found = measure(judge, images.split(BATCH), hidden.samples, iter(cloud.split(BATCH)))
        each = {score: found.each[score] for score in SCORES if score in found.each}
        seeds = [sample.seed for sample in hidden.samples]
        tables.append(pd.DataFrame({"setting": name, "seed": seeds, "pivots": pivots, **each}))
    shown = [_shared(s, c, taxonomy) for s, c in zip(hidden.samples, hidden.sets, strict=True)]
    return pd.concat(tables, ignore_index=True).merge(pd.DataFrame(shown), on="seed")


def _cache(k: int, settings: dict[str, Any]) -> CacheConfig:
    """The paper's, with what a setting changes."""
    return replace(paper_cache(10 if k >= 10 else 5, k, REUSE), **{x: v for x, v in settings.items() if x != "per"})


def _values(found: CandidateSet, taxonomy: Taxonomy) -> list[dict[str, str]]:
    """What each candidate shows, in their order: attribute -> value, of a prompt about one person."""
    names = [attribute for _, attribute in found.slots]
    spaces = [taxonomy.attributes[name] for name in names]
    return [dict(zip(names, values, strict=True)) for values in product(*spaces)]


def _alike(found: CandidateSet, per: list[str], taxonomy: Taxonomy) -> CandidateSet:
    """The candidates that have the prompt's values of some attributes."""
    shown = _values(found, taxonomy)
    own = shown[found.index]
    places = [place for place, each in enumerate(shown) if all(each.get(name) == own.get(name) for name in per)]
    return replace(found, prompts=tuple(found.prompts[place] for place in places), index=places.index(found.index))


def _shared(sample: Sample, found: CandidateSet, taxonomy: Taxonomy) -> dict[str, Any]:
    """Which of the prompt's values the pivot of the whole set has."""
    shown = _values(found, taxonomy)
    own, pivot = shown[found.index], shown[pivot_place(found.prompts)]
    return {"seed": sample.seed} | {f"same_{name}": own[name] == pivot[name] for name in own}


def by_setting(table: pd.DataFrame, paper: str) -> pd.DataFrame:
    """One row a setting, then the paper's divided by what its pivot shows.

    Args:
        table: `readings.csv`.
    """
    own = table[table["setting"] == paper]
    groups = [(str(name), found) for name, found in table.groupby("setting", sort=False)]
    for column in (name for name in table if str(name).startswith("same_")):
        attribute = str(column).removeprefix("same_")
        for same, words in ((True, "the same"), (False, "another")):
            groups.append((f"pivot of {words} {attribute}", own[own[column] == same]))
    rows = []
    for name, found in groups:
        if found.empty:
            continue
        row: dict[str, Any] = {"setting": name, "prompts": len(found), "pivots": found["pivots"].iloc[0]}
        for score in (score for score in SCORES if score in table):
            row |= interval_columns(score, of_mean(found[score].to_numpy(dtype=float), np.random.default_rng(0)))
        change = found.set_index("seed")["distance"] - own.set_index("seed")["distance"]
        row |= interval_columns(CHANGE, of_mean(change.dropna().to_numpy(), np.random.default_rng(0)))
        rows.append(row)
    return pd.DataFrame(rows)


def claims(config: Config, folder: Path) -> list[Claim]:
    """Whether sharing self-attention maps only is nearer to the cloud than the paper's setting."""
    path, paper = _run_of(config, folder) / "readings.csv", settings_of(config)["paper"]
    table = read_table(path) if path.exists() else pd.DataFrame()
    if "setting" not in table or not {SELF, paper} <= {*table["setting"]}:
        return [Claim(SAYS, *OURS, "", untested("no image was made"))]
    found = {name: rows.set_index("seed")["distance"] for name, rows in table.groupby("setting")}
    change = of_mean((found[SELF] - found[paper]).to_numpy(dtype=float), np.random.default_rng(0))
    what = f"distance to cloud-only of {SELF} less that of {paper}"
    return [Claim(SAYS, *OURS, f"{what}: {in_words(change)}", below(change, 0.0, what, len(found[SELF])))]
