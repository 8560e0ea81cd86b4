"""Figures 8 and 11 (arXiv 2510.04153): all candidates from one noise, with attention maps of their own and shared.

`cache.reuse` of the configuration comes with the attention cache after r; here pivot attention is put on alone, so that
what sharing does is seen by itself.

The claim of Figure 8 and what decides it: the share of images whose gender the judge reads right falls by less than 5
points. The difference is paired, image by image, with a 95 % interval over pairs; where no reading changes, Wilson's
interval of the share of pairs that change takes its place.
"""

from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from obclip_cli.cloud.accelerate import attached
from obclip_cli.cloud.accelerate.pivot_attention import PivotAttention
from obclip_cli.cloud.accelerate.shared_maps import slices
from obclip_cli.config import Config, HybridConfig
from obclip_cli.diffusion.denoise import State, StepContext, decode, denoise
from obclip_cli.diffusion.schedule import Split, split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import rows_of, settings_of
from obclip_cli.evaluation.generate import DECODED, Pair, Progress, samples_at_once
from obclip_cli.metrics.intervals import Estimate, of_mean, of_share
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.claims import Claim, above, in_words, untested
from obclip_cli.reproduction.experiment import run_folder
from obclip_cli.runs import read_table

MOST_LOST = -0.05
HIT = f"gender{grids.HIT}"


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the grid and the run behind it; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing, or the schedule is too short.
    """
    k, rows = plan(config)
    drawn = settings_of(config).get("drawn")
    return grids.draw(config, folder, lambda pair: _images(pair, config, progress), [k, rows], columns=drawn)


def plan(config: Config) -> tuple[int, dict[str, int]]:
    """Steps that the cloud runs; row -> in how many of the first steps the first candidate's maps serve all.

    Raises:
        UserError: no r of the paper fits the schedule.
    """
    if not (rows := rows_of(config, settings_of(config)["paper_settings"])):
        raise UserError(
            f"hybrid.steps={config.hybrid.steps} is less than every switch point of the paper; use 5 or more"
        )
    largest, whole = max(rows, key=lambda row: row.run.switch_point).run, config.cloud_steps
    steps = {"none": 0, "before r": largest.cache.cache_point or 0, "all": whole}
    shared = {name.format(r=steps["before r"]): steps[which] for name, which in settings_of(config)["rows"].items()}
    return whole if settings_of(config)["finished_by"] == "cloud" else largest.switch_point, shared


def _images(pair: Pair, config: Config, progress: ProgressBar) -> grids.Images:
    k, rows = plan(config)
    divided = split(config.pair, HybridConfig(config.hybrid.steps, k, timestep_shift=config.hybrid.timestep_shift))
    found, prompts = grids.hidden_samples(config), settings_of(config).get("prompts")
    sets = [candidates.prompts for candidates in found.sets[:prompts]]
    seeds = [sample.seed for sample in found.samples[:prompts]]
    advance = progress("candidates", len(rows) * sum(map(len, sets)))
    made = {name: candidate_images(pair, divided, sets, seeds, shared=rows[name], advance=advance) for name in rows}
    each = [
        replace(sample, prompt=prompt, labels={})  # its labels are to be read from it
        for sample, candidates in zip(found.samples, sets, strict=False)
        for prompt in candidates
    ]
    return grids.Images(made, grids.hidden_samples(config, each).samples, [sample.prompt for sample in each])


def candidate_images(
    pair: Pair, divided: Split, sets: list[tuple[str, ...]], seeds: list[int], *, shared: int, advance: Progress
) -> torch.Tensor:
    """One uint8 image a candidate, set by set, (n, 3, H, W): the cloud's steps, then the device's.

    Args:
        divided: which side runs which steps.
        seeds: of each set's z_T.
        shared: the first `shared` steps of the cloud use the first candidate's attention maps for its whole set.
        advance: told how many candidates the cloud has finished.
    """
    prompts = [prompt for candidates in sets for prompt in candidates]
    noise = [seed for seed, candidates in zip(seeds, sets, strict=True) for _ in candidates]
    ends = list(accumulate(map(len, sets)))
    own = [slice(end - len(candidates), end) for end, candidates in zip(ends, sets, strict=True)]
    reached = []
    # Rows that share maps are one set's; without sharing, rows of several sets run together.
    for rows in own if shared else slices(len(prompts), samples_at_once(pair)):
        context = StepContext()
        with attached(pair.cloud.unet, [PivotAttention(stop=shared)] if shared else [], context):
            state = denoise(pair.cloud, prompts[rows], divided.cloud, seeds=noise[rows], context=context)
        reached.append(state.latents)
        advance(len(prompts[rows]))
    latents, parts = torch.cat(reached), []
    for rows in slices(len(prompts), DECODED):
        state = denoise(pair.device, prompts[rows], divided.device, seeds=noise[rows], state=State(latents[rows]))
        parts.append(decode(pair.device, state.latents))
    return (torch.cat(parts) * 255).round().to(torch.uint8)


def claims(config: Config, folder: Path) -> list[Claim]:
    """Whether the gender survives, where the experiment has pairs of candidates to ask that of."""
    if (text := settings_of(config).get("claim")) is None:
        return []
    source = "Fig. 8", "no figures to quote"
    readings = run_folder(config, folder, list(plan(config))) / "readings.csv"
    table = read_table(readings) if readings.exists() else pd.DataFrame()
    if HIT not in table:
        return [Claim(text, *source, "", untested("no image was made, or no judge reads the gender"))]
    own, shared = table["row"].unique()
    change, shares = lost(table, own, shared), table.groupby("row")[HIT].mean()
    ours = f"read right {shares[own]:.1%} with {own}, {shares[shared]:.1%} with {shared} ({in_words(change)})"
    return [Claim(text, *source, ours, above(change, MOST_LOST, "change of the share read right"))]


def lost(table: pd.DataFrame, own: str, shared: str) -> Estimate:
    """Share of images read right in one row, minus that in another; over pairs.

    Args:
        table: `readings.csv`; images 2i and 2i + 1 are a pair.
    """
    hits = {row: found.set_index("place")[HIT].astype(float) for row, found in table.groupby("row")}
    change = hits[shared] - hits[own]
    of_pairs = change.groupby(change.index // 2).mean().to_numpy()
    if not np.any(change):
        most = of_share(np.zeros(len(of_pairs))).high
        return Estimate(0.0, -most, most)
    return of_mean(of_pairs, np.random.default_rng(0))
