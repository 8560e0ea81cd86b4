"""What the paper claims, its figures, ours, and a verdict that the code computes.

One rule: a claim does not hold only where the whole interval lies on the wrong side of its limit; where the interval
straddles the limit, nothing is decided; where weights, data or scores are missing, nothing can be tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import Block, Row, blocks_of, settings_of, switch_points
from obclip_cli.evaluation.contrasts import combined, over_seeds
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.experiment import what_is_missing
from obclip_cli.reproduction.paper import paper_rows
from obclip_cli.reproduction.score_table import costs, paper_label
from obclip_cli.runs import read_table

HOLDS, DOES_NOT_HOLD, NOT_DECIDED, NOT_TESTABLE = "holds", "does not hold", "not decided here", "not testable here"
GAP = {DEVICE_ONLY: 1.0, CLOUD_ONLY: -1.0}
LITTLE = 0.2  # of the gap between both ends
NO_REFERENCES = "no scores: the dataset gives no reference images"
NAMES = {"fid": "FID", "clip": "CLIP score", "cloud_tmac": "T multiply-accumulates"}


@dataclass(frozen=True)
class Verdict:
    """`word` is one of the four; `why` says what it was computed from."""

    word: str
    why: str


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, in our words.

    Attributes:
        source: where the paper says it, such as "Fig. 3".
        paper: the paper's figures.
        ours: our figures, with their intervals.
    """

    claim: str
    source: str
    paper: str
    ours: str
    verdict: Verdict


def below(difference: Estimate, limit: float, what: str) -> Verdict:
    """Whether a difference lies below a limit: its whole interval must, or the whole interval must not.

    Args:
        what: names the difference, with its unit.
    """
    return _decided(difference, limit, what, holds=difference.high < limit, fails=difference.low > limit)


def above(difference: Estimate, limit: float, what: str) -> Verdict:
    """The same for a claim that a difference lies above a limit."""
    return _decided(difference, limit, what, holds=difference.low > limit, fails=difference.high < limit)


def _decided(difference: Estimate, limit: float, what: str, *, holds: bool, fails: bool) -> Verdict:
    side = "below" if difference.high < limit else "above" if difference.low > limit else "not told apart from"
    word = HOLDS if holds else DOES_NOT_HOLD if fails else NOT_DECIDED
    return Verdict(word, f"{what} {in_words(difference)} is {side} {limit:.3g}")


def costs_little(rise: Estimate, gap: Estimate, left: Estimate, what: str) -> Verdict:
    """Whether a change costs less than a fifth of the gap between device-only and cloud-only.

    Args:
        rise: of the FID; exactly 0 where no image changed.
        gap: device-only's FID less cloud-only's; without one nothing can be held against it.
        left: the rise less a fifth of the gap, all from the same prompts and noise.
    """
    if rise.low == rise.value == rise.high == 0:
        return Verdict(HOLDS, f"{what} is exactly 0")
    if not gap.low > 0:
        return Verdict(NOT_DECIDED, f"{what} {in_words(rise)}: the gap, {in_words(gap)}, does not lie above 0")
    return below(left, 0.0, f"{what} less {LITTLE:.0%} of the gap,")


def all_of(verdicts: list[Verdict]) -> Verdict:
    """A claim that has several parts: it fails with one of them, and holds with all."""
    words = [verdict.word for verdict in verdicts]
    word = next((word for word in (DOES_NOT_HOLD, NOT_TESTABLE, NOT_DECIDED) if word in words), HOLDS)
    return Verdict(word, "; ".join(verdict.why for verdict in verdicts))


def exactly(true: bool, why: str) -> Verdict:
    """The verdict on a count, which has no interval."""
    return Verdict(HOLDS if true else DOES_NOT_HOLD, why)


def untested(why: str) -> Verdict:
    """The verdict where models or data are missing locally."""
    return Verdict(NOT_TESTABLE, why)


def in_words(estimate: Estimate) -> str:
    """A figure with its 95 % interval."""
    return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"


def contrast_claims(config: Config, folder: Path) -> list[Claim]:
    """The claims that an experiment's YAML lists, held against its runs.

    Each has `says`, `source`, `paper` where no table prints it, and `tests`: `score` (or `cost`), `contrast` (method ->
    weight) and one of `below`, `above`, `at_most` (a limit) and `costs_little`. They are tested at every k of its
    methods, or at those in `k` or `share`; in every block, or in that of number `block`.
    """
    if not (config.experiment or {}).get("claims"):
        return []
    blocks = blocks_of(config)
    groups = [blocks] if "seeds" in settings_of(config) else [[block] for block in blocks]
    found = []
    for claim in settings_of(config)["claims"]:
        chosen = groups if "block" not in claim else [groups[claim["block"]]]
        parts = [part for group in chosen for test in claim["tests"] for part in _parts(group, folder, claim, test)]
        verdict = (
            all_of([part.verdict for part in parts]) if parts else untested("no switch point lies in this schedule")
        )
        paper = "; ".join(dict.fromkeys(part.paper for part in parts if part.paper))
        ours = "; ".join(dict.fromkeys(part.ours for part in parts if part.ours))
        found.append(Claim(claim["says"], claim["source"], claim.get("paper", paper), ours, verdict))
    return found


@dataclass(frozen=True)
class _Part:
    """One contrast at one k of one block (or of all seeds)."""

    paper: str
    ours: str
    verdict: Verdict


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
    block, contrast = blocks[0], test["contrast"]
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
        return _Part(paper, "", untested(why))
    found = _measured(blocks, folder, column, contrast, named)
    if "costs_little" in test:
        gap = _measured(blocks, folder, column, GAP, named)
        left = {name: contrast.get(name, 0.0) - LITTLE * GAP.get(name, 0.0) for name in {**contrast, **GAP}}
        verdict = costs_little(found, gap, _measured(blocks, folder, column, left, named), label)
        return _Part(paper, f"{label} {in_words(found)} of a gap of {in_words(gap)}", verdict)
    rule, limit = (below, test["below"]) if "below" in test else (above, test["above"])
    return _Part(paper, f"{label} {in_words(found)}", rule(found, limit, label))


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
    return "" if table[score].notna().any() else NO_REFERENCES
