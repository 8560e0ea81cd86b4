"""Fairness of the caches: attribute accuracy and the latents' deviation by group, with and without accelerations.

Ours, not the paper's, which does not say whose maps are shared. Every candidate of a set is made with every method from
one noise, so that groups differ in their words only.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import differing
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.data import Sample
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.denoise import State, decode, denoise
from obclip_cli.evaluation.blocks import rows_of, settings_of
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import Pair, load_pair
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.intervals import Estimate, of_mean, of_share
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.protocol import CloudRequest
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.claims import Claim, above, all_of, below, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.score_table import interval_columns
from obclip_cli.runs import read_table

FIRST, PUBLIC, LOST = "first", "public", -0.05
OURS = ("our own question; the paper does not say whose maps are shared", "no figures to quote")
CHANGE, DEVIATION, AT_K = "change", "deviation", "deviation_at_k"
FAVOURS = "With the first candidate as pivot, its gender's latents stay nearer to those without caches than others'."
HALVES = "Drawing the pivot from the set takes away more than half of that advantage."
COSTS_NO_GROUP = "With all accelerations and a drawn pivot no group loses 5 points of attribute accuracy."


def methods(config: Config) -> dict[str, Method]:
    """What is compared, by its name in the table; the first one has no caches."""
    found = {}
    for method in (row.run for row in rows_of(config)):
        for pivot in settings_of(config)["pivots"] if method.cache.reuse else [None]:
            name = method.name if pivot is None else f"{method.name}, {pivot}"
            found[name] = replace(method, name=name, cache=replace(method.cache, pivot=pivot))
    return found


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other methods are another run."""
    return run_folder(config, folder, [differing(asdict(method), Method) for method in methods(config).values()])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `fairness.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    pairs.require(config.pair)
    run = run_of(config, folder)
    if not runs.is_finished(run, config):
        table = readings(load_pair(config), config, progress)
        runs.start(run, config)
        runs.write_text(run / "readings.csv", table.to_csv(index=False))
        runs.mark_finished(run, config)
    table = read_table(run / "readings.csv")
    groups = by_group(table, _attributes(config))
    caption = write_results(config, folder, groups, run, f"{table['set'].nunique()} prompts.")
    stored = pd.read_csv(folder / "fairness.csv")
    shown = {f"{DEVIATION} of the last latents ↓": DEVIATION, "attribute read right ↑": "right"}
    panels = {panel: _wide(stored, name) for panel, name in shown.items()}
    plot_bars(panels, folder / "fairness.png", title=f"{settings_of(config)['title']} ({config.pair.name})")
    return caption


def _attributes(config: Config) -> dict[str, tuple[str, ...]]:
    return dict(load_taxonomy(taxonomy_path(config.pair.taxonomy)).attributes)


def _wide(groups: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a group, one column a method, with the ends of its interval."""
    index = groups["attribute"] + ": " + groups["value"]
    return pd.DataFrame(
        {
            f"{str(method).removeprefix('ObCLIP, ')}{end}": found[f"{name}{end}"].to_numpy()
            for method, found in groups.groupby("method", sort=False)
            for end in ("", "_low", "_high")
            if f"{name}{end}" in found
        },
        index=index[: len(index) // groups["method"].nunique()],
    )


def readings(pair: Pair, config: Config, progress: ProgressBar) -> pd.DataFrame:
    """One row a method and candidate: `row` and `set`, what the judge reads, and how far its latents deviate."""
    hidden, named = grids.hidden_samples(config), methods(config)
    several = [(s, c.prompts) for s, c in zip(hidden.samples, hidden.sets, strict=True) if len(c.prompts) > 1]
    asked = [replace(sample, prompt=prompt, labels={}) for sample, prompts in several for prompt in prompts]
    each, judge = grids.hidden_samples(config, asked).samples, load_extractor(config)
    advance = progress("candidates", len(named) * len(each))
    made: dict[str, torch.Tensor] = {}
    apart: dict[str, list[float]] = {AT_K: [], DEVIATION: []}
    plain: list[tuple[torch.Tensor, torch.Tensor]] = []
    for name, method in named.items():
        images = []
        for place, both in enumerate(_sets(pair, method, several)):
            plain += [both] if len(plain) < len(several) else []
            for column, found, expected in zip(apart, both, plain[place], strict=True):
                away = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
                apart[column] += [round(value, 6) for value in away.tolist()]
            images.append((decode(pair.device, both[1]) * 255).round().to(torch.uint8))
            advance(len(images[-1]))
        made[name] = torch.cat(images)
    sets = [place for place, (_, prompts) in enumerate(several) for _ in prompts]
    table = grids.readings(grids.Images(made, each, [sample.prompt for sample in each]), judge)
    return table.drop(columns="column").assign(set=sets * len(named), **apart)


def _sets(
    pair: Pair, method: Method, several: list[tuple[Sample, tuple[str, ...]]]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Each set's latents (N, c, h, w) as the cloud returns them, and as the device ends with all of them."""
    divided, cloud = pair.split(method), CloudServer(pair.cloud, batch=pair.batch, cache=method.cache)
    first = divided.cloud
    for sample, prompts in several:
        asked = CloudRequest(prompts, first.steps, first.start, first.stop, first.guidance_scale, sample.seed)
        reached = State(cloud.denoise(asked).latents.to(pair.device.device))
        final = denoise(pair.device, prompts, divided.device, seeds=[sample.seed] * len(prompts), state=reached)
        yield reached.latents, final.latents


def by_group(table: pd.DataFrame, attributes: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """One row a method and value of an attribute.

    Args:
        table: `readings.csv`, the method without caches first.
    """
    rows, plain = [], table["row"].iloc[0]
    for name, of_method in table.groupby("row", sort=False):
        for attribute, values in attributes.items():
            for value in values if attribute in table else ():
                found = of_method[of_method[attribute] == value].set_index("place")
                if found.empty:
                    continue
                right = found[attribute + grids.HIT].astype(float)
                before = table[table["row"] == plain].set_index("place")[attribute + grids.HIT].astype(float)
                change = (right - before[right.index]).groupby(found["set"]).mean()
                row = {"method": name, "attribute": attribute, "value": value, "images": len(found)}
                row |= interval_columns("right", of_share(right.to_numpy()))
                row |= interval_columns(CHANGE, _over_sets(change)) if name != plain else {}
                for column in (AT_K, DEVIATION) if name != plain else ():
                    row |= interval_columns(column, _over_sets(found.groupby("set")[column].mean()))
                rows.append(row)
    return pd.DataFrame(rows)


def _over_sets(values: pd.Series) -> Estimate:
    return of_mean(values.to_numpy(dtype=float), np.random.default_rng(0))


def advantage(table: pd.DataFrame, method: str, attribute: str, first: str) -> pd.Series:
    """How much further the latents of an attribute's other values are from those without caches than the first's."""
    found = table[(table["row"] == method) & table[attribute].notna()]
    means = found.groupby(["set", found[attribute] == first])[DEVIATION].mean().unstack()
    return (means[False] - means[True]).dropna()


def claims(config: Config, folder: Path) -> list[Claim]:
    """Whether the first candidate's group was favoured, whether the drawn pivot ends that, and what a group loses."""
    path, texts = run_of(config, folder) / "readings.csv", (FAVOURS, HALVES, COSTS_NO_GROUP)
    attributes = _attributes(config)
    named = {name.rpartition(", ")[2]: name for name in methods(config) if name.endswith((FIRST, PUBLIC))}
    table = read_table(path) if path.exists() else pd.DataFrame()
    if "gender" not in table or len(named) < 2:
        return [Claim(text, *OURS, "", untested("no image was made, or no candidate has a gender")) for text in texts]
    first, public = (advantage(table, named[pivot], "gender", attributes["gender"][0]) for pivot in (FIRST, PUBLIC))
    before, after, left = (_over_sets(values) for values in (first, public, public - first / 2))
    groups = by_group(table, attributes)
    lost = [
        (f"{row['attribute']} {row['value']}", Estimate(row[CHANGE], row[f"{CHANGE}_low"], row[f"{CHANGE}_high"]))
        for row in groups[groups["method"] == named[PUBLIC]].to_dict("records")
    ]
    prompts = table["set"].nunique()
    what = f"{DEVIATION} of other genders less that of {attributes['gender'][0]}"
    worst = min(lost, key=lambda each: each[1].value)
    return [
        Claim(FAVOURS, *OURS, f"{what}: {in_words(before)}", above(before, 0.0, what, prompts)),
        Claim(
            HALVES,
            *OURS,
            f"{what}: {in_words(after)}",
            below(left, 0.0, f"{what}, public less half of first,", prompts),
        ),
        Claim(
            COSTS_NO_GROUP,
            *OURS,
            f"most: {worst[0]} {in_words(worst[1])}",
            all_of([above(change, LOST, f"change of {name}", prompts) for name, change in lost]),
        ),
    ]
