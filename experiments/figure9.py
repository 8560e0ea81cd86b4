"""Figure 9 (arXiv 2510.04153): how alike the mid block's output is, from step to step and between candidates.

Ours is measured, as curves and heat maps, on the cloud's model of the pair with guidance over all T steps, for the
conditional rows; of a model without a mid block the last down block is measured. The difference is ||A - B|| / ||B||,
where B is the step before, or the first candidate.

The claim and what decides it: skipping blocks after s is justified where the mean change from step to step from s on
is below that before s, for every s that the paper uses with the pair, by paired 95 % intervals over prompts. One claim
is about all later steps, one about those that the cloud skips blocks in, s..k-1.
"""

from pathlib import Path

import pandas as pd

from obclip_cli.config import Config
from obclip_cli.cost.profile import architecture_of
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.redundancy_plots import plot_redundancy
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction import redundancy
from obclip_cli.reproduction.claims import Claim, untested
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.finished_runs import measured_on
from obclip_cli.reproduction.recording import DeepestFeatures
from obclip_cli.reproduction.redundancy import CANDIDATE, COMPARISONS, NOISE, PREVIOUS, PROMPT
from obclip_cli.reproduction.switch_points import cloud_steps, default_split

TITLE = "Figure 9: how alike the deepest features are, from step to step and between candidates"
NAME = "figure9"
PROMPTS = 12
PART = "features"
PICTURES = "no figures to quote"


def overrides(pair: str) -> list[str]:
    """Portraits with a gender; few, as every step is compared with every other."""
    return [*portraits(pair, 1, limit_on_mini=PROMPTS), f"dataset.limit={PROMPTS}", *default_split(pair)]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure9.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights are not on this machine.
    """
    run_folder = redundancy.run_folder(config, folder, NAME)
    redundancy.measure(config, DeepestFeatures(), run_folder, progress)
    table = redundancy.curves(run_folder)
    block = "mid block" if has_mid_block(config) else "last down block (the model has no mid block)"
    caption = (
        f"{TITLE}. Output of the {block}, measured on this pair's cloud model, {config.pair.name}, with guidance: "
        f"{config.dataset['limit']} prompts of {config.dataset['name']} with two candidates each, seed {config.seed}. "
        f"||A - B|| / ||B||; intervals of 95 % over prompts. Measured on {measured_on(run_folder)}. "
        f"Run: runs/{run_folder.name}."
    )
    write_table(table, folder / NAME, caption=caption)
    plot_redundancy(
        pd.read_csv(folder / f"{NAME}.csv"),
        folder / f"{NAME}.png",
        steps=pd.read_csv(run_folder / "steps.csv"),
        candidates=pd.read_csv(run_folder / "candidates.csv"),
        comparisons=COMPARISONS,
        parts={PART: f"output of the {block}"},
        points={f"s = {s}": s for s in redundancy.points(config, "skip_point")},
        label="||A - B|| / ||B||",
        title=TITLE,
    )
    return f"{caption}\n\n{finding(table, *max(redundancy.points(config, 'skip_point').items(), default=(0, 0)))}"


def has_mid_block(config: Config) -> bool:
    """By the architecture of the cloud's model."""
    return architecture_of(config.pair.cloud).unet.get("mid_block_type") is not None


def finding(table: pd.DataFrame, s: int, k: int) -> str:
    """The means before and after s, computed from the table."""
    if s == 0:
        return "No s of the paper's fits the schedule."
    before, after = (table.loc[chosen, PREVIOUS].mean() for chosen in (table["step"] < s, table["step"] >= s))
    skipped, last = table.loc[table["step"].between(s, k - 1), PREVIOUS].mean(), table.iloc[-1]
    return (
        f"The features change by {before:.3f} a step before step {s} and by {after:.3f} after it ({skipped:.3f} in "
        f"steps {s}..{k - 1}, in which blocks are skipped). In the last step the other gender's are "
        f"{last[CANDIDATE]:.3f} away, those from other noise {last[NOISE]:.3f}, those of another prompt "
        f"{last[PROMPT]:.3f}."
    )


def claims(config: Config, folder: Path) -> list[Claim]:
    """Skipping after s, from `differences.csv` of the run."""
    run_folder = redundancy.run_folder(config, folder, NAME)
    places = redundancy.points(config, "skip_point")
    after = "The mid block's output changes less from step to step after the skip point s"
    skipped = "It changes less in the steps in which the cloud skips blocks, s..k-1"
    if not places or not (run_folder / "differences.csv").exists():
        verdict = untested("no curve was measured, or no s of the paper's fits the schedule")
        return [Claim(text, "Fig. 9", PICTURES, "", verdict) for text in (after, skipped)]
    end = cloud_steps(config)
    found = {
        after: [redundancy.settles(run_folder, PART, s, end) for s in places],
        skipped: [redundancy.settles(run_folder, PART, s, k) for s, k in places.items()],
    }
    joined = {text: redundancy.together(verdicts) for text, verdicts in found.items()}
    return [Claim(text, "Fig. 9", PICTURES, ours, verdict) for text, (verdict, ours) in joined.items()]
