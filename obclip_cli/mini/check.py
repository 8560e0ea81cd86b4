"""Score a cloud model in training on held-out prompts, tone by tone and style by style, beside the released one."""

from pathlib import Path

import pandas as pd
import torch

from obclip_cli.compose import compose_config
from obclip_cli.data import Sample
from obclip_cli.evaluation.methods import both_ends
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.report.progress import progress_bars

PROMPTS = 400
SHOWN = 10
SHEET = "before_and_now.png"
RELEASED = "package:mini/weights/mini-cloud"
SCORES = ("fid", "clip", "gender", "tone", "role_top3")


def compare(folder: Path, clouds: dict[str, str], *, judge: str) -> pd.DataFrame:
    """Score every cloud model and the released one on `folder/reference`; images are kept, scored ones only read.

    Images of the same prompts and noise, the released model's above the last one's, stand in `folder/SHEET`.

    Args:
        clouds: a name (the step) -> folder of a pipeline.

    Returns:
        One column a model (a row of `folder/scores.csv`): its scores, then the share of right tones as "style tone".
    """
    found, shown = {}, {}
    for name, cloud in ({"released": RELEASED} | clouds).items():
        found[name], shown[name] = _scores(folder, name, cloud, judge)
    pd.DataFrame(found).T.to_csv(folder / "scores.csv", index_label="model")
    last = list(found)[-1]
    rows = {"before": torch.stack([*shown["released"].values()]), "now": torch.stack([*shown[last].values()])}
    plot_grid(folder / SHEET, rows, list(shown[last]))
    return pd.DataFrame(found)


def _scores(folder: Path, name: str, cloud: str, judge: str) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Scores of one model, and some of its images by prompt, uint8 (3, H, W)."""
    prompts = ["dataset=emoji", f"dataset.root={folder / 'reference'}", f"dataset.limit={PROMPTS}"]
    config = compose_config(["pair=mini", f"pair.cloud.path={cloud}", f"pair.judge={judge}", *prompts])
    method = both_ends(config)[0]
    with progress_bars() as bar:
        scores, images, samples = run_benchmark(config, [method], folder / name, bar)
    hits = pd.read_csv(folder / name / "results.csv")["tone"]
    chosen = range(0, len(samples), max(1, len(samples) // SHOWN))[:SHOWN]
    shown = {samples[place].prompt: images[method.name][place] for place in chosen}
    tones = right_tones(hits, samples)
    shares = {f"{style} {tone}": share for tone, column in tones.items() for style, share in column.items()}
    return {score: float(scores[score].iloc[-1]) for score in SCORES} | shares, shown


def right_tones(hits: pd.Series, samples: list[Sample]) -> pd.DataFrame:
    """Share of right tones, 0 to 1: one row a style, one column a tone, and "all" of either last.

    Args:
        hits: (n,) 1 where the image of the sample shows the tone asked for.
    """
    styles = [sample.prompt.rsplit(", ", 1)[1].removesuffix(" style") for sample in samples]
    rows = pd.DataFrame({"style": styles, "tone": [sample.labels["tone"] for sample in samples], "hit": hits})
    return rows.pivot_table(values="hit", index="style", columns="tone", margins=True, margins_name="all").round(3)


def missed_roles(hits: pd.Series, samples: list[Sample]) -> pd.DataFrame:
    """How often a role was missed, of how many images of it; roles never missed are left out.

    Args:
        hits: (n,) 1 where the judge has the role of the sample among its first three, nan where none was asked for.
    """
    known = pd.DataFrame({"role": [sample.labels.get("role") for sample in samples], "hit": hits}).dropna()
    counts = known.groupby("role")["hit"].agg(missed=lambda hit: int((1 - hit).sum()), images="size")
    return counts[counts["missed"] > 0].sort_values("missed", ascending=False, kind="stable").astype(int)
