"""What a noised picture gives away, over its strength: with the latent alone, and with ObCLIP's candidates beside it.

Ours, not the paper's, which names image-to-image as future work. What decides the claims:

* leaks: at strength 0.6 the whole interval of every attribute lies above chance.
* candidates: it does with them, too, although the pass is taken under the words that they share.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import KFold

from obclip_cli import runs
from obclip_cli.attacks.context import common_words
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.noised_latent import NoisedLatent, learn
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.data import load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.image_to_image import encode, noised, places_of
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.metrics.intervals import Estimate, of_share
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.plots import plot_lines
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, above, all_of, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.score_table import interval_columns
from obclip_cli.runs import read_table

ALONE, BESIDE = "the latent alone", "with candidates in the prompt"
USUAL, FOLDS = 0.6, 5
OURS = ("our own question; the paper names image-to-image as future work", "no figures to quote")
LEAKS = f"A picture that is noised to strength {USUAL} and sent gives away who is in it."
NO_HELP = "Candidates in the prompt do not keep a noised picture from being read."


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other pictures or strengths are another run."""
    return run_folder(config, folder, settings_of(config)["plays"]["images"], settings_of(config)["strengths"])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `noised_latent.csv`, `.md`, `.tex`, `.png` and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing, or it is not known what its pictures show.
    """
    pairs.require(config.pair)
    run, experiment = run_of(config, folder), settings_of(config)
    if not runs.is_finished(run, config):
        table = readings(config, progress)
        runs.start(run, config)
        runs.write_text(run / "readings.csv", table.to_csv(index=False))
        runs.mark_finished(run, config)
    found = read_table(run / "readings.csv")
    table, attributes = curve(found), list(dict.fromkeys(found["attribute"]))
    told = f"{found['place'].nunique()} pictures. {'; '.join(drop(table, name) for name in attributes)}."
    caption = write_results(config, folder, table, run, told)
    stored, over = pd.read_csv(folder / "noised_latent.csv"), ("strength", "strength")
    columns = {name: f"{name} read right ↓ (dotted: chance)" for name in attributes}
    plot_lines(stored, folder / "noised_latent.png", over=over, columns=columns, title=experiment["title"])
    return caption


def readings(config: Config, progress: ProgressBar) -> pd.DataFrame:
    """One row a way, strength, attribute and picture: its value, and what was read."""
    experiment, dataset = settings_of(config), load_dataset(config.dataset)
    if not hasattr(dataset, "reference_samples"):
        raise UserError(
            "it is not known what the pictures of this dataset show; choose one that says it, as emoji does"
        )
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    attack = NoisedLatent(Knowledge(taxonomy, config.pair))
    if attack.judge is None or attack.pipeline is None:
        raise UserError(f"the pair {config.pair.name} has no judge that reads attributes; set pair.judge")
    samples, pictures = dataset.reference_samples(), torch.cat(list(dataset.references(config.seed)))
    drawn = np.random.default_rng(config.seed).permutation(len(samples))[: experiment["plays"]["images"]]
    shown, latents = [samples[place] for place in drawn], encode(attack.pipeline, pictures[drawn].float() / 255)
    said = [attack.knowledge.read(sample.prompt) for sample in shown]
    common = [
        common_words([sample.prompt] if r is None else r.candidates) for r, sample in zip(said, shown, strict=True)
    ]
    attributes = [name for name in taxonomy.attributes if name in attack.judge.labels]
    parts, advance = [], progress("strengths", 2 * len(experiment["strengths"]))
    for strength in experiment["strengths"]:
        start = places_of(strength, config.hybrid.steps)
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(config.seed + start)).to(latents)
        sent = noised(attack.pipeline, latents, noise, start, config.hybrid.steps)
        for way, words in ((ALONE, [""] * len(shown)), (BESIDE, common)):
            seen = attack.look(sent, words, start, config.hybrid.steps)
            for name in attributes:
                known = [place for place, sample in enumerate(shown) if name in sample.labels]
                values = np.array([shown[place].labels[name] for place in known])
                parts.append(
                    pd.DataFrame({"place": known, "value": values, "read": guessed(seen[name][known], values)})
                )
                parts[-1] = parts[-1].assign(way=way, strength=strength, attribute=name)
            advance(1)
    return pd.concat(parts, ignore_index=True)


def guessed(seen: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What is read in each picture by a classifier that was trained on the others, (n,)."""
    read = values.copy()
    if len(values) > 1:
        for known, asked in KFold(min(FOLDS, len(values)), shuffle=True, random_state=0).split(seen):
            read[asked] = learn(seen[known], values[known].tolist()).predict(seen[asked])
    return read


def curve(found: pd.DataFrame) -> pd.DataFrame:
    """One row a way and strength: share right of each attribute, and chance."""
    rows = []
    for (way, strength), part in found.groupby(["way", "strength"], sort=False):
        row = {"way": way, "strength": strength}
        for name, of_one in part.groupby("attribute", sort=False):
            hits = (of_one["read"] == of_one["value"]).to_numpy(dtype=float)
            row |= interval_columns(str(name), of_share(hits))
            row[f"chance_{name}"] = round(float(of_one["value"].value_counts(normalize=True).iloc[0]), 4)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("way", kind="stable", key=lambda ways: ways != ALONE)


def drop(table: pd.DataFrame, name: str) -> str:
    """From which strength on an attribute is not told apart from chance, in words."""
    line = table[table["way"] == ALONE].sort_values("strength", ascending=False)
    told = line[f"{name}_low"] > line[f"chance_{name}"]
    hidden = line["strength"][~told.cummax()]
    return f"{name} is not told apart from chance " + (
        f"from strength {hidden.min():g} on" if len(hidden) else "at none"
    )


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, from `readings.csv` of the run."""
    path = run_of(config, folder) / "readings.csv"
    if not path.exists():
        return [Claim(text, *OURS, "not run", untested("nothing was read")) for text in (LEAKS, NO_HELP)]
    found = read_table(path)
    found["right"] = (found["read"] == found["value"]).astype(float)
    return [_beyond(found, text, way) for text, way in ((LEAKS, ALONE), (NO_HELP, BESIDE))]


def _beyond(found: pd.DataFrame, text: str, way: str) -> Claim:
    """Whether every attribute is read beyond chance at the usual strength."""
    usual, shown = found[(found["way"] == way) & (found["strength"] == USUAL)], {}
    for name, part in usual.groupby("attribute", sort=False):
        share, chance = of_share(part["right"].to_numpy()), float(part["value"].value_counts(normalize=True).iloc[0])
        shown[str(name)] = Estimate(share.value - chance, share.low - chance, share.high - chance)
    if not shown:
        return Claim(text, *OURS, "", untested(f"strength {USUAL} was not tried"))
    verdicts = [above(each, 0.0, f"{name}: share read beyond chance") for name, each in shown.items()]
    return Claim(text, *OURS, "; ".join(f"{name}: {in_words(each)}" for name, each in shown.items()), all_of(verdicts))
