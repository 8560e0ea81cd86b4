"""Figures 6 and 9 (arXiv 2510.04153): how alike attention maps and deep features are, over steps and candidates.

Measured on the cloud's model of the pair with guidance over all T steps, for the conditional rows: the mean over layers
of the recorder's distance. In the run folder lie

differences.csv   one row a prompt, part, comparison and step
steps.csv         every step with every other, for one candidate of one prompt
candidates.csv    every candidate with every other in a few steps, for the same prompt
prompts.csv       what stands behind the numbers of prompts and candidates

Claims and what decides them, all by paired 95 % intervals over prompts, for each point (r or s) that the paper uses:
the mean change from step to step is lower from the point on than before it, once for all later steps and once for
those up to k - 1, in which the cloud uses the cache; and, for attention maps, before the largest r the candidate of the
other gender is closer than the same prompt from other noise, and than another prompt from the same noise.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import DiffusionPipeline
from hydra.utils import instantiate

from obclip_cli import runs
from obclip_cli.cloud.accelerate import attached
from obclip_cli.config import Config, HybridConfig
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.denoise import StepContext, denoise_by_step
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import rows_of, settings_of
from obclip_cli.evaluation.hiding import Hidden
from obclip_cli.metrics.intervals import of_mean
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.redundancy_plots import plot_redundancy
from obclip_cli.reproduction.claims import Claim, Verdict, all_of, below, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.grids import hidden_samples
from obclip_cli.reproduction.recording import Parts, Recorder
from obclip_cli.runs import read_table

PREVIOUS, CANDIDATE, NOISE, PROMPT = "previous_step", "other_gender", "other_noise", "other_prompt"
COMPARISONS = {
    PREVIOUS: "the step before",
    CANDIDATE: "candidate of the other gender",
    NOISE: "the same prompt from other noise",
    PROMPT: "another prompt from the same noise",
}
OTHER_NOISE = 500_000  # added to a prompt's seed: far from the seeds that datasets count up
SHOWN_STEPS = (0, 3, 9, 24)  # of the heat maps between candidates
Mean = tuple[str, range]  # a comparison, and the steps that it is taken over


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; what another recorder sees is another run."""
    return run_folder(config, folder, settings_of(config)["recorder"])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write curves and heat maps and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights are missing, or the dataset gives no candidates to compare.
    """
    pairs.require(config.pair)
    experiment, run = settings_of(config), run_of(config, folder)
    if not runs.is_finished(run, config):
        _measure(config, run, progress)
    caption, stem = write_results(config, folder, curves(run), run), folder / experiment["name"]
    plot_redundancy(
        read_table(stem.with_suffix(".csv")),
        stem.with_suffix(".png"),
        steps=read_table(run / "steps.csv"),
        candidates=read_table(run / "candidates.csv"),
        comparisons=COMPARISONS,
        parts=experiment["parts"],
        points={f"{experiment['symbol']} = {point}": point for point in points_of(config)},
        label=experiment["distance"],
        title=experiment["title"],
    )
    return caption


def points_of(config: Config) -> dict[int, int]:
    """The paper's r or s, smallest first -> the k that it belongs to, for the settings that fit the pair's schedule."""
    methods = [row.run for row in rows_of(config, settings_of(config)["paper_settings"])]
    found = {getattr(method.cache, settings_of(config)["point"]): method.switch_point for method in methods}
    return dict(sorted((place, k) for place, k in found.items() if place is not None))


def _measure(config: Config, run: Path, progress: ProgressBar) -> None:
    recorder: Recorder = instantiate(settings_of(config)["recorder"])
    hidden, many = (
        hidden_samples(config, load_dataset({**config.dataset, **size}).samples(config.seed))
        for size in ({"attributes": 1}, {"attributes": 2, "limit": 1})
    )
    compared = list(_compared(hidden))
    cloud = load_pipeline(config.pair.cloud, dtype=config.pair.dtype, device=default_device())
    advance = progress("prompts", len(compared) + 1)
    runs.start(run, config)
    rows: list[dict[str, Any]] = []
    for place, (prompts, seeds) in enumerate(compared):
        steps = record(cloud, config, prompts, seeds, recorder)
        rows += [{"prompt": place, **row} for row in differences(steps, recorder)]
        advance(1)
    prompts = list(many.sets[0].prompts)
    recorded = record(cloud, config, prompts, [many.samples[0].seed] * len(prompts), recorder)
    tables = {"differences": pd.DataFrame(rows), "prompts": _listed(hidden, many), **heat_maps(recorded, recorder)}
    for name, table in tables.items():
        runs.write_text(run / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    advance(1)
    runs.mark_finished(run, config)


def _listed(hidden: Hidden, many: Hidden) -> pd.DataFrame:
    return pd.DataFrame(
        {"table": table, "prompt": place, "candidate": candidate, "text": text, "seed": sample.seed}
        for table, found in (("differences", hidden), ("steps and candidates", many))
        for place, (sample, candidates) in enumerate(zip(found.samples, found.sets, strict=True))
        for candidate, text in enumerate(candidates.prompts)
    )


def _compared(hidden: Hidden) -> Iterator[tuple[list[str], list[int]]]:
    """A prompt's two candidates, the first from other noise, and another prompt of the same gender; with seeds."""
    sets = [found.prompts for found in hidden.sets]
    for place, (sample, prompts) in enumerate(zip(hidden.samples, sets, strict=True)):
        other = next((found for found in sets[place + 1 :] + sets[:place] if found != prompts), None)
        if len(prompts) != 2 or other is None:
            raise UserError("candidates of one gender and the other are compared, of at least two different prompts")
        yield [*prompts, prompts[0], other[0]], [sample.seed] * 2 + [sample.seed + OTHER_NOISE, sample.seed]


def record(
    pipeline: DiffusionPipeline, config: Config, prompts: list[str], seeds: list[int], recorder: Recorder
) -> list[Parts]:
    """What the recorder sees in each step of the cloud's whole schedule; one prompt and seed of z_T a row."""
    whole = split(config.pair, HybridConfig(config.hybrid.steps, config.cloud_steps)).cloud
    context = StepContext()
    with attached(pipeline.unet, [recorder], context):
        return [recorder.take() for _ in denoise_by_step(pipeline, prompts, whole, seeds=seeds, context=context)]


def differences(steps: list[Parts], recorder: Recorder) -> Iterator[dict[str, Any]]:
    """One row a part, comparison and step: means over layers.

    Args:
        steps: of four rows, as `COMPARISONS` has them: a candidate, the other one, other noise, another prompt.
    """
    for part in recorder.names:
        for step, parts in enumerate(steps):
            layers = parts[part]
            found = _mean([recorder.distance(layer[1:4], layer[:1]) for layer in layers])
            named = dict(zip((CANDIDATE, NOISE, PROMPT), found.tolist(), strict=True))
            if step > 0:
                before = steps[step - 1][part]
                change = [recorder.distance(now[:2], then[:2]) for now, then in zip(layers, before, strict=True)]
                named[PREVIOUS] = float(_mean(change).mean())
            for comparison, value in named.items():
                yield {"part": part, "comparison": comparison, "step": step, "value": value}


def heat_maps(steps: list[Parts], recorder: Recorder) -> dict[str, pd.DataFrame]:
    """`steps` (part, step, other, value) of the first row, and `candidates` (part, step, candidate, other, value)."""
    over_steps, over_candidates = [], []
    for part in recorder.names:
        paths = [torch.cat([layer[:1] for layer in layers]) for layers in zip(*(p[part] for p in steps), strict=True)]
        over_steps.append(_all_pairs(paths, recorder, "step").assign(part=part))
        for step in sorted({min(step, len(steps) - 1) for step in SHOWN_STEPS}):
            over_candidates.append(_all_pairs(steps[step][part], recorder, "candidate").assign(part=part, step=step))
    return {
        "steps": pd.concat(over_steps)[["part", "step", "other", "value"]],
        "candidates": pd.concat(over_candidates)[["part", "step", "candidate", "other", "value"]],
    }


def _all_pairs(layers: list[torch.Tensor], recorder: Recorder, name: str) -> pd.DataFrame:
    """Row i of a step or candidate with row j, the mean over layers (n, ...): i, `other`, `value`."""
    columns = [_mean([recorder.distance(layer, layer[j : j + 1]) for layer in layers]) for j in range(len(layers[0]))]
    values = np.ndenumerate(torch.stack(columns, dim=1).numpy())
    return pd.DataFrame([(i, j, value) for (i, j), value in values], columns=[name, "other", "value"])


def _mean(values: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(values).mean(dim=0).cpu()


def curves(run: Path) -> pd.DataFrame:
    """One row a part and step: the mean of every comparison, with its 95 % interval over prompts."""
    rows = []
    for (part, step), found in read_table(run / "differences.csv").groupby(["part", "step"], sort=False):
        row: dict[str, Any] = {"part": part, "step": step}
        for comparison in COMPARISONS:
            values = found.loc[found["comparison"] == comparison, "value"].to_numpy(dtype=float)
            mean = of_mean(values, np.random.default_rng(0))
            named = {"": mean.value, "_low": mean.low, "_high": mean.high}
            row |= {f"{comparison}{end}": float(f"{value:.4g}") for end, value in named.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, from `differences.csv` of the run."""
    experiment, points = settings_of(config), points_of(config)
    path = run_of(config, folder) / "differences.csv"
    says, parts, source = experiment["says"], experiment["parts"], experiment["source"]
    asked: dict[str, list[tuple[str, Mean, Mean]]] = {}
    for text, stops in ((says["later"], dict.fromkeys(points, config.cloud_steps)), (says["cached"], points)):
        later = [((PREVIOUS, range(point, stop)), (PREVIOUS, range(1, point))) for point, stop in stops.items()]
        asked[text] = [(part, after, before) for after, before in later for part in parts]
    early = range(max(points, default=0))
    for part, name in parts.items() if "closer" in says else ():
        others = [(part, (CANDIDATE, early), (other, early)) for other in (NOISE, PROMPT)]
        asked[says["closer"].format(part=name)] = others
    if not points or not path.exists():
        verdict = untested("no curve was measured, or the schedule is too short for the paper's points")
        return [Claim(text, source, "no figures to quote", "", verdict) for text in asked]
    table, found = read_table(path), []
    for text, questions in asked.items():
        verdicts, ours = zip(*(is_lower(table, *question) for question in questions), strict=True)
        found.append(Claim(text, source, "no figures to quote", "; ".join(filter(None, ours)), all_of(list(verdicts))))
    return found


def is_lower(table: pd.DataFrame, part: str, ours: Mean, than: Mean) -> tuple[Verdict, str]:
    """Whether the mean of a comparison in `differences.csv` over some steps is lower than another; and both means."""
    near, far = (_by_prompt(table, part, *each) for each in (ours, than))
    if near.empty or far.empty:
        return untested(f"{part}: the schedule has no steps on both sides of step {than[1].stop}"), ""
    names = [f"{COMPARISONS[comparison]} (steps {steps.start}..{steps.stop - 1})" for comparison, steps in (ours, than)]
    lower = of_mean((near - far).to_numpy(dtype=float), np.random.default_rng(0))
    verdict = below(lower, 0.0, f"{part}: distance to {names[0]} less that to {names[1]}")
    return verdict, f"{part}: {near.mean():.3g} to {names[0]}, {far.mean():.3g} to {names[1]}"


def _by_prompt(table: pd.DataFrame, part: str, comparison: str, steps: range) -> pd.Series:
    """prompt -> the mean value over some steps."""
    chosen = table[(table["part"] == part) & (table["comparison"] == comparison) & table["step"].isin(steps)]
    found: pd.Series = chosen.groupby("prompt")["value"].mean()
    return found
