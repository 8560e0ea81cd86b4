"""How alike attention maps or features are: from step to step, and between candidates (what caches and reuse live on).

differences.csv   one row a prompt, part, comparison and step
steps.csv         every step with every other, for one candidate of one prompt
candidates.csv    every candidate with every other in a few steps, for the same prompt
prompts.csv       what stands behind the numbers of prompts and candidates
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from diffusers import DiffusionPipeline

from obclip_cli import runs
from obclip_cli.cloud.accelerate import attached
from obclip_cli.compose import compose_config
from obclip_cli.config import Config, plain, taxonomy_path
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.denoise import StepContext, Stretch, denoise_by_step
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.evaluation.hiding import Hidden, hide_all
from obclip_cli.metrics.intervals import Estimate, of_mean
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Verdict, all_of, below, untested
from obclip_cli.reproduction.recording import Parts, Recorder
from obclip_cli.reproduction.switch_points import cloud_steps, paper_settings
from obclip_cli.runs import pair_weights, read_table

PREVIOUS, CANDIDATE, NOISE, PROMPT = "previous_step", "other_gender", "other_noise", "other_prompt"
COMPARISONS = {
    PREVIOUS: "the step before",
    CANDIDATE: "candidate of the other gender",
    NOISE: "the same prompt from other noise",
    PROMPT: "another prompt from the same noise",
}
OTHER_NOISE = 500_000  # added to a prompt's seed: far from the seeds that datasets count up
SHOWN_STEPS = (0, 3, 9, 24)  # of the heat maps between candidates


def run_folder(config: Config, folder: Path, name: str) -> Path:
    """Where an experiment of this kind keeps its tables."""
    return folder / "runs" / f"{name}-{config.pair.name}-{runs.fingerprint(plain(config), pair_weights(config.pair))}"


def measure(config: Config, recorder: Recorder, run: Path, progress: ProgressBar) -> None:
    """Run the cloud's model with guidance over its whole schedule and write the tables; a finished run is kept.

    Raises:
        UserError: the pair's weights are not on this machine, or the dataset gives no candidates to compare.
    """
    pairs.require(config.pair)
    if runs.is_finished(run, config):
        return
    hidden = _hidden(config, {**config.dataset, "attributes": 1})
    many = _hidden(config, {**config.dataset, "attributes": 2, "limit": 1})
    compared = list(_compared(hidden))
    cloud = load_pipeline(config.pair.cloud, dtype=config.pair.dtype, device=default_device())
    advance = progress("prompts", len(compared) + 1)
    runs.start(run, config)
    rows: list[dict[str, Any]] = []
    for place, (prompts, seeds) in enumerate(compared):
        steps = record(cloud, config, prompts, seeds, recorder)
        rows += [{"prompt": place, **row} for row in differences(steps, recorder)]
        advance(1)
    prompts, seeds = list(many.sets[0].prompts), [many.samples[0].seed] * len(many.sets[0].prompts)
    tables = {"differences": pd.DataFrame(rows), "prompts": _listed(hidden, many)}
    tables |= heat_maps(record(cloud, config, prompts, seeds, recorder), recorder)
    for name, table in tables.items():
        runs.write_text(run / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    advance(1)
    runs.mark_finished(run, config)


def _hidden(config: Config, dataset: dict[str, Any]) -> Hidden:
    samples = load_dataset(dataset).samples(config.seed)
    return hide_all(samples, config.privacy, load_taxonomy(taxonomy_path(config.pair.taxonomy)))


def _listed(hidden: Hidden, many: Hidden) -> pd.DataFrame:
    rows = [
        {"table": table, "prompt": place, "candidate": candidate, "text": text, "seed": sample.seed}
        for table, found in (("differences", hidden), ("steps and candidates", many))
        for place, (sample, candidates) in enumerate(zip(found.samples, found.sets, strict=True))
        for candidate, text in enumerate(candidates.prompts)
    ]
    return pd.DataFrame(rows)


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
    """What the recorder sees in each step of the whole schedule.

    Args:
        prompts, seeds: one a row; the seed is that of its z_T.
    """
    scale = config.pair.cloud.guidance_scale or config.pair.guidance_scale
    stretch, context, steps = Stretch(cloud_steps(config), 0, cloud_steps(config), scale), StepContext(), []
    with attached(pipeline.unet, [recorder], context):
        for _ in denoise_by_step(pipeline, prompts, stretch, seeds=seeds, context=context):
            steps.append(recorder.parts)
            recorder.begin()
    return steps


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
        layers = range(len(steps[0][part]))
        paths = [torch.cat([parts[part][layer][:1] for parts in steps]) for layer in layers]
        for (step, other), value in np.ndenumerate(_all_pairs(paths, recorder.distance)):
            over_steps.append({"part": part, "step": step, "other": other, "value": value})
        for step in _shown_steps(len(steps)):
            for (one, other), value in np.ndenumerate(_all_pairs(steps[step][part], recorder.distance)):
                row = {"part": part, "step": step, "candidate": one, "other": other, "value": value}
                over_candidates.append(row)
    return {"steps": pd.DataFrame(over_steps), "candidates": pd.DataFrame(over_candidates)}


def _all_pairs(
    layers: list[torch.Tensor], distance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> np.ndarray:
    """(n, n): row i with row j, the mean over layers (n, ...)."""
    columns = [
        _mean([distance(layer, layer[other : other + 1]) for layer in layers]) for other in range(len(layers[0]))
    ]
    return torch.stack(columns, dim=1).numpy()


def _shown_steps(steps: int) -> list[int]:
    return sorted({min(step, steps - 1) for step in SHOWN_STEPS})


def _mean(values: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(values).mean(dim=0).cpu()


def curves(run: Path) -> pd.DataFrame:
    """One row a part and step: the mean of every comparison, with its 95 % interval over prompts."""
    table = read_table(run / "differences.csv")
    rows = []
    for (part, step), found in table.groupby(["part", "step"], sort=False):
        row: dict[str, Any] = {"part": part, "step": step}
        for comparison in COMPARISONS:
            values = found.loc[found["comparison"] == comparison, "value"].to_numpy(dtype=float)
            estimate = of_mean(values, np.random.default_rng(0))
            ends = {f"{comparison}_low": estimate.low, f"{comparison}_high": estimate.high}
            row |= {comparison: estimate.value} | ends
        rows.append({key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in row.items()})
    return pd.DataFrame(rows)


def mean_of_steps(run: Path, part: str, comparison: str, steps: range) -> pd.Series:
    """prompt -> the mean value over some steps."""
    table = read_table(run / "differences.csv")
    chosen = table[(table["part"] == part) & (table["comparison"] == comparison) & table["step"].isin(steps)]
    found: pd.Series = chosen.groupby("prompt")["value"].mean()
    return found


def mean_over_prompts(values: pd.Series) -> Estimate:
    """With its interval over prompts."""
    return of_mean(values.to_numpy(dtype=float), np.random.default_rng(0))


def preset_point(config: Config, point: str, *, k: int, preset: str) -> int | None:
    """`cache_point` (r) or `skip_point` (s) of a preset of configs/cache."""
    found: int | None = getattr(compose_config([f"cache={preset}", f"hybrid.switch_point={k}"]).cache, point)
    return found


def points(config: Config, point: str) -> dict[int, int]:
    """The paper's r or s, smallest first -> the k that it belongs to, for the settings that fit the pair's schedule."""
    found = {preset_point(config, point, k=k, preset=preset): k for k, preset in paper_settings(config)}
    return {place: k for place, k in sorted((p, k) for p, k in found.items() if p is not None)}


def settles(run: Path, part: str, point: int, stop: int) -> tuple[Verdict, str]:
    """Whether the steps point..stop-1 differ less from the step before than those up to `point`, and the two means."""
    before = mean_of_steps(run, part, PREVIOUS, range(1, point))
    after = mean_of_steps(run, part, PREVIOUS, range(point, stop))
    if before.empty or after.empty:
        return untested(f"{part}: the schedule has no steps on both sides of step {point}"), ""
    what = f"{part}: change a step in steps {point}..{stop - 1} less that before step {point}"
    ours = f"{part}: {before.mean():.3g} before step {point}, {after.mean():.3g} in steps {point}..{stop - 1}"
    return below(mean_over_prompts(after - before), 0.0, what), ours


def closer_than(run: Path, part: str, comparison: str, steps: range) -> tuple[Verdict, str]:
    """Whether the candidate of the other gender is closer than another comparison's row, and the two means."""
    near = mean_of_steps(run, part, CANDIDATE, steps)
    far = mean_of_steps(run, part, comparison, steps)
    what = f"{part}: distance to the {COMPARISONS[CANDIDATE]} less that to {COMPARISONS[comparison]}"
    ours = f"{part}: {near.mean():.3g} against {far.mean():.3g} ({COMPARISONS[comparison]})"
    return below(mean_over_prompts(near - far), 0.0, what), ours


def together(found: list[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    """Several verdicts with their figures as one."""
    return all_of([verdict for verdict, _ in found]), "; ".join(ours for _, ours in found if ours)
