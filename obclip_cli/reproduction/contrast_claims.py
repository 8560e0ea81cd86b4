"""Claims that an experiment's YAML lists: differences of scores or costs, each with a limit, held against its runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import Block, Row, blocks_of, settings_of, switch_points
from obclip_cli.evaluation.contrasts import combined, over_seeds, prompts_in
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.claims import (
    LITTLE,
    Claim,
    Verdict,
    above,
    all_of,
    below,
    costs_little,
    exactly,
    in_words,
    untested,
)
from obclip_cli.reproduction.experiment import what_is_missing
from obclip_cli.reproduction.paper import paper_rows
from obclip_cli.reproduction.power import Contrast, Counts
from obclip_cli.reproduction.score_table import costs, paper_label
from obclip_cli.runs import read_table

GAP = {DEVICE_ONLY: 1.0, CLOUD_ONLY: -1.0}
A_FIFTH = f"{LITTLE:.0%} of the gap between device-only and cloud-only"
FALLS = ("fid", "fid_cloud", "distance")  # better the lower they are
NO_REFERENCES = "no scores: the dataset gives no reference images"
MISSING = {"fid_cloud": "scores.cloud_draws=0: the cloud made no images from other noise"}
NAMES = {
    "fid": "FID",
    "fid_cloud": "FID to the cloud's own images",
    "distance": "judge's distance to cloud-only's image",
    "clip": "CLIP score",
    "cloud_tmac": "T multiply-accumulates",
}


@dataclass(frozen=True)
class _Part:
    """One contrast at one k of one block (or of all seeds); `contrast` where it is of scores, not of costs."""

    paper: str
    ours: str
    verdict: Verdict
    contrast: Contrast | None = None
    beside: bool = False


def contrast_claims(config: Config, folder: Path) -> list[Claim]:
    """The claims that an experiment's YAML lists, held against its runs.

    Each has `says`, `source`, `paper` where no table prints it, and `tests`: `score` (or `cost`), `contrast` (method ->
    weight) and one of `below`, `above`, `at_most` (a limit) and `costs_little`. They are tested at every k of its
    methods, or at those in `k` or `share`; in every block, or in that of number `block`. A test with `beside: true` is
    told, but the others decide: so the paper's own score stands beside sharper ones. Where a block has device-only and
    cloud-only, what is better than another by less than a fifth of the gap between them does not count.
    """
    if not (config.experiment or {}).get("claims"):
        return []
    blocks = blocks_of(config)
    groups = [blocks] if "seeds" in settings_of(config) else [[block] for block in blocks]
    found = []
    for claim in settings_of(config)["claims"]:
        chosen = groups if "block" not in claim else [groups[claim["block"]]]
        parts = [part for group in chosen for test in claim["tests"] for part in _parts(group, folder, claim, test)]
        contrasts = tuple(part.contrast for part in parts if part.contrast is not None)
        paper = "; ".join(dict.fromkeys(part.paper for part in parts if part.paper))
        ours = "; ".join(dict.fromkeys(part.ours for part in parts if part.ours))
        found.append(Claim(claim["says"], claim["source"], claim.get("paper", paper), ours, _judged(parts), contrasts))
    return found


def _judged(parts: list[_Part]) -> Verdict:
    """That of the parts that decide; what stands beside them is told with its own."""
    deciding = [part.verdict for part in parts if not part.beside]
    if not deciding:
        return untested("no switch point lies in this schedule")
    found, beside = all_of(deciding), [part.verdict for part in parts if part.beside]
    if not beside:
        return found
    other = all_of(beside)
    return Verdict(found.word, f"{found.why}. Beside it ({other.word}): {other.why}")


def _parts(blocks: list[Block], folder: Path, claim: Mapping[str, Any], test: Mapping[str, Any]) -> list[_Part]:
    """A test at every k at which the block has all methods of its contrast."""
    rows, contrast = blocks[0].rows, test["contrast"]
    points = dict.fromkeys(row.k for row in rows if row.name in contrast and row.k is not None)
    wanted = switch_points(blocks[0].config, claim) if {"k", "share"} & claim.keys() else points
    at: list[int | None] = [k for k in points if k in wanted]
    found = []
    for k in at or [None]:
        named = {row.name: row for row in rows if row.k in (None, k)}
        if contrast.keys() <= named.keys():
            found.append(_part(blocks, folder, test, named, "" if k is None else f", k={k}"))
    return found


def _part(blocks: list[Block], folder: Path, test: Mapping[str, Any], named: Mapping[str, Row], at: str) -> _Part:
    block, contrast, beside = blocks[0], test["contrast"], test.get("beside", False)
    column = test["score"] if "score" in test else test["cost"]
    what = f"{NAMES.get(column, column)} of {_in_terms(contrast)}"
    label = f"{block.label}{at}: {what}"
    quoted = _printed(block, column, contrast, named)
    of_gap = f" of a gap of {_printed(block, column, GAP, named):.3g}" if "costs_little" in test else ""
    paper = f"{paper_label(block)}{at}: {what} {quoted:+.3g}{of_gap}" if quoted == quoted else ""
    if "cost" in test:
        methods = {name: named[name].run for name in contrast}
        each = [w * costs(block.config, methods[name], block.candidates)[column] for name, w in contrast.items()]
        verdict = exactly(sum(each) <= test["at_most"], f"{label} is {sum(each):.3g}; at most {test['at_most']:g}")
        return _Part(paper, f"{label} {sum(each):+.3g}", verdict)
    if why := _unscored(block, folder, column):
        return _Part(paper, "", untested(why), beside=beside)
    found = _measured(blocks, folder, column, contrast, named)
    prompts = sum(prompts_in(each.run(folder)) for each in blocks)
    if "costs_little" in test:
        gap = _measured(blocks, folder, column, GAP, named)
        left = _measured(blocks, folder, column, _plus(contrast, -LITTLE), named)
        verdict = costs_little(found, gap, left, label, prompts)
        tested = Contrast(f"{label} less {LITTLE:.0%} of the gap", left, 0.0, prompts, beside)
        return _Part(paper, f"{label} {in_words(found)} of a gap of {in_words(gap)}", verdict, tested, beside)
    rule, limit = (below, test["below"]) if "below" in test else (above, test["above"])
    counts = None
    if limit == 0 and GAP.keys() <= named.keys():
        share = LITTLE if (column in FALLS) == ("below" in test) else -LITTLE  # against the claim
        counts = Counts(A_FIFTH, _measured(blocks, folder, column, _plus(contrast, share), named))
    tested = Contrast(label, found, limit, prompts, beside, counts)
    return _Part(paper, f"{label} {in_words(found)}", rule(found, limit, label, prompts, counts), tested, beside)


def _plus(contrast: Mapping[str, float], share: float) -> dict[str, float]:
    """A contrast with a share of the gap added."""
    return {name: contrast.get(name, 0.0) + share * GAP.get(name, 0.0) for name in {**contrast, **GAP}}


def _in_terms(contrast: Mapping[str, float]) -> str:
    """As in "ObCLIP, cache minus 0.5 times vanilla OG"."""
    words = ""
    for name, weight in contrast.items():
        words += f" {'minus' if weight < 0 else 'plus'} {'' if abs(weight) == 1 else f'{abs(weight):g} times '}{name}"
    return words.removeprefix(" plus ")


def _measured(
    blocks: list[Block], folder: Path, score: str, weights: Mapping[str, float], named: Mapping[str, Row]
) -> Estimate:
    """A contrast in the run of a block, over its prompts; of several blocks, over their seeds."""
    methods = {named[name].run.name: weight for name, weight in weights.items()}
    each = [combined(block.run(folder), score, methods) for block in blocks]
    return each[0] if len(each) == 1 else over_seeds([estimate.value for estimate in each])


def _printed(block: Block, column: str, weights: Mapping[str, float], named: Mapping[str, Row]) -> float:
    """The same contrast in the paper's column; nan where it does not print all of it."""
    if not block.paper:
        return nan
    table = paper_rows(block.paper, block.config.pair.name)
    column = next((name for name in (column, f"{column}_per_candidate") if name in table), column)
    total = 0.0
    for name, weight in weights.items():
        rows = table
        for key, cell in named[name].cells.items():
            if key in rows:
                rows = rows[rows[key].isna() if cell is None else rows[key].eq(cell).fillna(False)]
        total += weight * float(rows[column].iloc[0]) if len(rows) and column in rows else nan
    return total


def _unscored(block: Block, folder: Path, score: str) -> str:
    """Why a score is missing; empty where it is not."""
    run = block.run(folder)
    if missing := what_is_missing(block.config):
        return missing
    if not (run / "scores.csv").exists():
        return f"{run} has no scores; run the experiment first"
    table = read_table(run / "scores.csv")
    if score not in table:
        return f"nobody here judges {score}"
    return "" if table[score].notna().any() else MISSING.get(score, NO_REFERENCES)
