"""What a server learns of prompts that people really type, and what it learns from many prompts, edits and images.

The figures of docs/privacy.md. Five questions, told apart by the column `question`:

* one prompt: attacks on the words around, learnt on one corpus and tried on another or on the rest of the same, never
  with an opening in common; against the majority prior, which needs no request.
* many prompts: persons who type 1, 5 and 12 prompts; the server adds up what each says.
* edits, re-rolls: requests about one prompt, intersected; the prior is what one request alone gives.
* links by seed: requests without a name, put together by the seed of their noise.
* published image: nearest of the server's own N finished images, what helps against it and what that costs.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.attacks.corpus import CAPTIONS, PROMPTS, read_corpus
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.config import Config, PrivacyConfig, taxonomy_path
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.game.defences import attack_published
from obclip_cli.game.edits import intersected, links_by_seed
from obclip_cli.game.natural_text import MOST_CANDIDATES, many_prompts, one_prompt, scored, told, typed
from obclip_cli.game.scoring import LEAK, WITHIN
from obclip_cli.metrics.intervals import Estimate, of_mean
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.natural_text_plot import plot_natural_text
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, above, exactly, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.runs import read_table

SCORES = "scores.csv"
SHIPPED = {"captions": CAPTIONS, "prompts": PROMPTS}


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other settings are another run."""
    return run_folder(config, folder, settings_of(config)["plays"])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the table and its plot and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or a corpus are missing.
    """
    pairs.require(config.pair)
    run = run_of(config, folder)
    if not runs.is_finished(run, config):
        runs.start(run, config)
        runs.write_text(run / SCORES, _measure(config, progress).to_csv(index=False))
        runs.mark_finished(run, config)
    table = read_table(run / SCORES)
    caption = write_results(config, folder, _rounded(table), run)
    plot_natural_text(table, folder / "natural_text.png", title=settings_of(config)["title"])
    return caption


def _measure(config: Config, progress: ProgressBar) -> pd.DataFrame:
    plays = settings_of(config)["plays"]
    paper, rng = load_taxonomy(taxonomy_path(plays["taxonomy"])), np.random.default_rng(config.seed)
    knowledge = Knowledge(paper)
    texts = {
        name: read_corpus(SHIPPED[name] if path is None else Path(path)) for name, path in plays["corpora"].items()
    }
    corpora = {name: typed(lines, knowledge) for name, lines in texts.items()}
    advance, parts = progress("natural text", len(corpora) ** 2 + 3 + len(plays["defences"])), []
    for learnt, tried in [(learnt, tried) for tried in corpora for learnt in corpora]:
        train, test = None if learnt == tried else corpora[learnt], corpora[tried]
        of = {"learnt_on": f"the rest of {tried}" if train is None else learnt, "tried_on": tried}
        hits = one_prompt(train, test, knowledge)
        parts.append(scored(hits, ["attack", "attribute"], rng).assign(question="one prompt", **of))
        many = many_prompts(train, test, knowledge, plays["added_up"], plays["prompts"], rng)
        parts.append(many.assign(question="many prompts", **of))
        advance(1)
    for question, edits in (("edits", True), ("re-rolls", False)):
        for strategy, lambda_ in (("all", 0.0), ("bucket", plays["lambda"]), ("fresh", plays["lambda"])):
            privacy = PrivacyConfig(strategy, lambda_, MOST_CANDIDATES)
            found = intersected(texts["prompts"], paper, privacy, edits=edits)
            row = _of_pairs(found, rng) | {"setting": strategy, "attack": "intersection", "tried_on": "prompts"}
            parts.append(pd.DataFrame([row]).assign(question=question))
        advance(1)
    sets = [prompt.transcript.candidates for prompt in corpora["prompts"]]
    parts.append(pd.DataFrame(links_by_seed(sets)).assign(question="links by seed", attack="seed-links"))
    advance(1)
    parts.append(attack_published(config, plays["images"], plays["defences"], rng, advance))
    table = pd.concat(parts, ignore_index=True)
    table["verdict"] = np.where(table["low"] > 0, LEAK, np.where(table["low"].notna(), WITHIN, ""))
    return table


def _of_pairs(found: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    beyond = found[:, 1] - found[:, 0]
    bound, success = found.mean(axis=0)
    return {"prompts": len(found), "prior": bound, "success": success} | told(of_mean(beyond, rng), float("nan"))


COLUMNS = ["question", "setting", "learnt_on", "tried_on", "attack", "attribute", "prompts", "prior", "success"]
FIGURES = ["beyond", "low", "high", "called_from", "verdict", "attributes_right", "clip"]


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """As printed: without the prior's own rows and attributes that a handful of prompts state."""
    shown = table[(table["attack"] != "majority") & (table["prompts"] >= 20)].reindex(columns=COLUMNS + FIGURES)
    return shown.round(3).reset_index(drop=True)


def claims(config: Config, folder: Path) -> list[Claim]:
    """The project's own claims on what no scheme of this kind can promise."""
    path, says = run_of(config, folder) / SCORES, settings_of(config)["claims_on"]
    if not path.exists():
        return [Claim(text, "our claim", "none", "not run", untested("nothing was played")) for text in says.values()]
    table = read_table(path)
    found = []
    for name, text in says.items():
        if name == "added_up":
            most = table[table["attack"].str.startswith("many-prompts") & (table["tried_on"] == "prompts")]
            row = most[most["learnt_on"] == "captions"].iloc[-1]
            what = f"beyond the prior, {row['attack']}"
        else:
            row = table[(table["question"] == "published image")].iloc[0]
            what = "above 1/N"
        beyond = Estimate(float(row["beyond"]), float(row["low"]), float(row["high"]))
        ours = f"{row['success']:.3g} against {row['prior']:.3g}; {what} {in_words(beyond)}"
        found.append(
            Claim(text, "our claim; the paper has no such measurement", "none", ours, above(beyond, 0.0, what))
        )
    rolls = table[(table["question"] == "re-rolls") & (table["setting"] != "fresh")]
    same = bool((rolls["beyond"].abs() < 1e-9).all())
    why = f"the intersection is right with {', '.join(f'{s:.3g}' for s in rolls['success'])}, as one request is"
    says_again = "Asking for the same prompt again tells a server nothing more (all, bucket)."
    found.append(Claim(says_again, "our promise", "none", why, exactly(same, why)))
    return found
