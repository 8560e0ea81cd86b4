"""What a speed-up costs in fidelity, beside it: from the tables of `obclip reproduce pareto` in the same folder."""

from pathlib import Path

import pandas as pd

from obclip_cli.config import PairConfig
from obclip_cli.runs import read_table

UNCACHED, PAPER, REUSED = "uncached", "paper's caches", "paper's caches and reuse"
# A method as tables of speed-ups call it -> as the experiment does.
METHODS = {
    "ObCLIP": UNCACHED,
    "+ cache": PAPER,
    "ObCLIP+cache": PAPER,
    **dict.fromkeys(("+ reuse", "+ shared first step", "ObCLIP+cache+reuse", "total with device"), REUSED),
    "thin_k10": "3 steps",
    "thin_k5": "2 steps",
    "trunk_k5": "2 steps, trunk of 1",
}
SCORES = ("distance", "ssim", "fid", "both")


def with_fidelity(table: pd.DataFrame, folder: Path, pair: PairConfig, own: pd.Series) -> tuple[pd.DataFrame, str]:
    """The table with the latent's distance, SSIM to the unaccelerated image, FID and shares of right attributes, by
    group too, and a sentence on where they come from.

    Args:
        table: rows with `k` and `method`.
        folder: where `pareto.csv` and `pareto_groups.csv` lie, if they have been made.
        own: which rows are the pair's; what others cost in fidelity is not known.
    """
    found = _measured(folder, pair)
    if found.empty:
        return table, "What speed costs in fidelity is not measured here: obclip reproduce pareto."
    places = pd.MultiIndex.from_arrays([table["k"], table["method"].map(METHODS).where(own)])
    beside = found.reindex(places).set_axis(table.index)
    said = (
        "Distance of the latent, SSIM to the unaccelerated image, FID and shares of images with the right attributes: "
        f"`obclip reproduce pareto`, guidance {pair.guidance_scale:g}, {found['n'].min()} to {found['n'].max()} "
        "prompts a method; empty where a method changes no image or was not measured."
    )
    return pd.concat([table, beside.drop(columns="n")], axis="columns"), said


def _measured(folder: Path, pair: PairConfig) -> pd.DataFrame:
    """By k and method, of this pair at its own guidance scale."""
    keys, paths = ["k", "method"], [folder / "pareto.csv", folder / "pareto_groups.csv"]
    if not all(path.exists() for path in paths):
        return pd.DataFrame()
    tables = []
    for path in paths:
        found = read_table(path)
        tables.append(found[(found["pair"] == pair.name) & (found["guidance"] == pair.guidance_scale)].set_index(keys))
    scores, groups = tables
    scores = scores[scores.index.get_level_values("method").isin(METHODS.values())]
    shares = [name for name in map(str, groups) if ": " in name and not name.endswith(("_low", "_high"))]
    return scores[["n", *(name for name in SCORES if name in scores)]].join(groups[shares])
