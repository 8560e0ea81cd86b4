"""Figure 4: how many images show what p* says, by the share of the steps that p* governs."""

from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.config import Config, taxonomy_path
from obclip_cli.evaluation.blocks import blocks_of, settings_of
from obclip_cli.evaluation.contrasts import prompts_in
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.intervals import Estimate, of_mean, of_share
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.plots import plot_replacement
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, all_of, below, in_words, untested
from obclip_cli.reproduction.experiment import what_is_missing, write_results
from obclip_cli.reproduction.score_table import costs, draw_first, facts, interval_columns, score
from obclip_cli.runs import read_table

THRESHOLD, NEAR = 0.8, 0.05
RIGHT, LOST = "attributes", "attributes_lost"
PANELS = {
    "images that show p*'s attributes ↑": {RIGHT: "all of them", "gender": "gender", "tone": "tone", "age": "age"},
    "CLIP score to p* ↑": {"clip": "CLIP score"},
    "FID ↓": {"fid": "FID"},
    "SSIM to the image of p* alone ↑": {"ssim": "SSIM"},
}
SAYS = "Replacing the prompt and correcting it later fails unless p* governs more than 80 % of the steps."


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `figure4.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption."""
    (block,) = blocks_of(config)
    found = score(block, folder, progress, draw_first)
    whole = costs(block.config, Method("", "server_first", block.config.hybrid.steps), 1)["cloud_tmac"]
    told = list(block.rows[0].cells)
    scores = found.table.drop(columns=[*told, "run", "cloud_share", "cloud_tmac", "device_tmac", "n"])
    table = found.table[told].assign(tmac=float(f"{whole:.4g}"))
    if not found.missing:
        names = [method.name for method in block.methods]
        attributes = attribute_columns(config, read_table(found.run / "results.csv"), names)
        table = pd.concat([table, attributes.drop(columns="method"), scores], axis=1)
    caption = write_results(block.config, folder, table, found.run, *facts([found], [block]))
    stored, title = pd.read_csv(folder / "figure4.csv"), settings_of(config)["title"]
    plot_replacement(stored, folder / "figure4.png", columns=PANELS, title=title, threshold=THRESHOLD)
    return caption


def attribute_columns(config: Config, results: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """How many images show every sensitive attribute that p* says, and that against the last of `names`, p* alone.

    Args:
        results: one row a method and prompt, with 1, 0 or nothing for each attribute.
    """
    sensitive = [name for name in load_taxonomy(taxonomy_path(config.pair.taxonomy)).attributes if name in results]
    right = results.assign(right=results[sensitive].min(axis=1)).pivot(index="seed", columns="method", values="right")
    found = []
    for name in names:
        lost = (right[name] - right[names[-1]]).to_numpy(dtype=float)
        share = interval_columns(RIGHT, of_share(right[name].to_numpy(dtype=float)))
        found.append({"method": name, **share, **interval_columns(LOST, of_mean(lost, np.random.default_rng(0)))})
    return pd.DataFrame(found)


def claims(config: Config, folder: Path) -> list[Claim]:
    """The paper's threshold: up to 80 %, more than 5 % fewer images are right than where p* governs every step.

    Each share's interval over prompts of that difference must lie below -5 %.
    """
    if missing := what_is_missing(blocks_of(config)[0].config):
        return [Claim(SAYS, "Fig. 4", "> 80 % (SDXL)", "", untested(missing))]
    table = read_table(folder / "figure4.csv")
    early = table[table["share"] <= THRESHOLD].to_dict("records")
    lost = {row["share"]: Estimate(row[LOST], row[f"{LOST}_low"], row[f"{LOST}_high"]) for row in early}
    run = blocks_of(config)[0].run(folder)
    prompts = prompts_in(run) if (run / "results.csv").exists() else None
    parts = [
        below(value, -NEAR, f"right images less p* alone, p* in {share:.0%}", prompts) for share, value in lost.items()
    ]
    short = table["share"][table[RIGHT] < table[RIGHT].iloc[-1] - NEAR]
    near = table["share"][table["share"] > short.max()].min() if len(short) else table["share"].min()
    last = max(lost)
    ours = f"right against p* alone at {last:.0%}: {in_words(lost[last])}; within {NEAR:.0%} of it from {near:.0%} on"
    return [Claim(SAYS, "Fig. 4", "> 80 % (SDXL)", ours, all_of(parts))]
