"""Figure 6 (arXiv 2510.04153): how alike attention maps are, from step to step and between candidates.

Ours is measured, as curves and heat maps, on the cloud's model of the pair with guidance over all T steps; the maps
are those of the conditional rows. The difference of two maps is the total variation between their rows (half of L1),
0 for equal and 1 for disjoint attention: the mean over queries, heads and layers, for self- and cross-attention apart.

Claims and what decides them, all by paired 95 % intervals over prompts:
* caching after r: the mean change from step to step from r on is below that before r, for self- and cross-attention
  and every r that the paper uses with the pair; one claim for all later steps, one for those that the cloud's cache
  covers, r..k-1;
* reuse before r: in the steps before the largest of these r, the candidate of the other gender is closer than the same
  prompt from other noise, and closer than another prompt from the same noise; one claim for self-attention, one for
  cross-attention.
"""

from pathlib import Path

import pandas as pd

from obclip_cli.config import Config
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.redundancy_plots import plot_redundancy
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction import redundancy
from obclip_cli.reproduction.claims import Claim, untested
from obclip_cli.reproduction.datasets import portraits
from obclip_cli.reproduction.finished_runs import measured_on
from obclip_cli.reproduction.recording import QUERIES, AttentionMaps
from obclip_cli.reproduction.redundancy import CANDIDATE, COMPARISONS, NOISE, PREVIOUS, PROMPT
from obclip_cli.reproduction.switch_points import cloud_steps, default_split

TITLE = "Figure 6: how alike attention maps are, from step to step and between candidates"
NAME = "figure6"
PROMPTS = 12
PARTS = {"self": "self-attention", "cross": "cross-attention"}
PICTURES = "no figures to quote"


def overrides(pair: str) -> list[str]:
    """Portraits with a gender; few, as all maps of a prompt are held at once."""
    return [*portraits(pair, 1, limit_on_mini=PROMPTS), f"dataset.limit={PROMPTS}", *default_split(pair)]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure6.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show.

    Raises:
        UserError: the pair's weights are not on this machine.
    """
    run_folder = redundancy.run_folder(config, folder, NAME)
    redundancy.measure(config, AttentionMaps(), run_folder, progress)
    table = redundancy.curves(run_folder)
    caption = (
        f"{TITLE}. Measured on this pair's cloud model, {config.pair.name}, with guidance: {config.dataset['limit']} "
        f"prompts of {config.dataset['name']} with two candidates each, seed {config.seed}. Total variation between "
        f"rows of the attention maps, 0 to 1, the mean over at most {QUERIES} queries a layer, heads and layers; "
        f"intervals of 95 % over prompts. Measured on {measured_on(run_folder)}. Run: runs/{run_folder.name}."
    )
    write_table(table, folder / NAME, caption=caption)
    plot_redundancy(
        pd.read_csv(folder / f"{NAME}.csv"),
        folder / f"{NAME}.png",
        steps=pd.read_csv(run_folder / "steps.csv"),
        candidates=pd.read_csv(run_folder / "candidates.csv"),
        comparisons=COMPARISONS,
        parts=PARTS,
        points={f"r = {r}": r for r in redundancy.points(config, "cache_point")},
        label="total variation",
        title=TITLE,
    )
    return f"{caption}\n\n{finding(table, *max(redundancy.points(config, 'cache_point').items(), default=(0, 0)))}"


def finding(table: pd.DataFrame, r: int, k: int) -> str:
    """The means before and after r, computed from the table."""
    if r == 0:
        return "The schedule is too short for the paper's r."
    parts = []
    for part, name in PARTS.items():
        rows = table[table["part"] == part]
        before, after = (rows.loc[chosen, PREVIOUS].mean() for chosen in (rows["step"] < r, rows["step"] >= r))
        cached = rows.loc[rows["step"].between(r, k - 1), PREVIOUS].mean()
        early = rows[rows["step"] < r]
        near, noise, prompt = (early[comparison].mean() for comparison in (CANDIDATE, NOISE, PROMPT))
        parts.append(
            f"{name.capitalize()}: maps change by {before:.3f} a step before step {r} and by {after:.3f} after it "
            f"({cached:.3f} in steps {r}..{k - 1}, which the cache covers); before it, those of the other gender are "
            f"{near:.3f} away, those from other noise {noise:.3f}, those of another prompt {prompt:.3f}."
        )
    return " ".join(parts)


def claims(config: Config, folder: Path) -> list[Claim]:
    """Caching after r and reuse before it, from `differences.csv` of the run."""
    run_folder = redundancy.run_folder(config, folder, NAME)
    places = redundancy.points(config, "cache_point")
    after = "Attention maps change less from step to step after the first r steps"
    cached = "They change less in the steps that the cloud's cache covers, r..k-1"
    before = {part: f"Before r, {name} maps of opposite genders are alike" for part, name in PARTS.items()}
    if not places or not (run_folder / "differences.csv").exists():
        verdict = untested("no curve was measured, or the schedule is too short for the paper's r")
        return [Claim(text, "Fig. 6", PICTURES, "", verdict) for text in (after, cached, *before.values())]
    end = cloud_steps(config)
    found = {
        after: [redundancy.settles(run_folder, part, r, end) for r in places for part in PARTS],
        cached: [redundancy.settles(run_folder, part, r, k) for r, k in places.items() for part in PARTS],
    }
    for part, text in before.items():
        found[text] = [redundancy.closer_than(run_folder, part, o, range(max(places))) for o in (NOISE, PROMPT)]
    joined = {text: redundancy.together(verdicts) for text, verdicts in found.items()}
    return [Claim(text, "Fig. 6", PICTURES, ours, verdict) for text, (verdict, ours) in joined.items()]
