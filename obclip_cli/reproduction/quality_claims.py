"""What the paper claims of image quality against cost, held against tables that `write_blocks` has written."""

from collections.abc import Callable

import numpy as np

from obclip_cli.config import Config
from obclip_cli.evaluation.contrasts import difference
from obclip_cli.metrics.intervals import Estimate, of_share
from obclip_cli.reproduction.claims import Claim, Verdict, above, all_of, below, exactly, in_words, untested
from obclip_cli.reproduction.quality_table import SCORES, VANILLA, Block, method_name
from obclip_cli.reproduction.scoreboard import what_is_missing
from obclip_cli.reproduction.verdicts import CLOUD, DEVICE, costs_little
from obclip_cli.runs import read_table

CHEAP = 0.5  # of vanilla OG's cost in the cloud
UNSCORED = "no scores: the dataset gives no reference images"


def ours(k: int, acceleration: str = "") -> str:
    """The name of a row of ObCLIP."""
    return method_name("ObCLIP", k, acceleration)


def scored_claim(
    config: Config,
    blocks: list[Block],
    words: str,
    source: str,
    paper: str,
    test: Callable[[Block, int], Verdict],
    figures: Callable[[Block, int], str],
) -> Claim:
    """A claim about scores, tested for every block and switch point; not testable where there are no scores.

    Args:
        test, figures: the verdict and our figures of one block at one switch point.
    """
    if not all(block.is_scored for block in blocks):
        return Claim(words, source, paper, "", untested(what_is_missing(config) or UNSCORED))
    verdicts = [test(block, k) for block in blocks for k in block.switch_points]
    return Claim(words, source, paper, _each(blocks, figures, paper=False), all_of(verdicts))


def hiding_is_free(config: Config, blocks: list[Block], source: str) -> Claim:
    """Holds where FID and CLIP score are exactly Hybrid SD's, or where FID changes little in either direction.

    The cloud sees the canonical wording of the user's prompt, so images differ only where the user words it otherwise.
    """

    def pair(k: int) -> tuple[str, str]:
        return ours(k), method_name("Hybrid SD", k, "")

    def figures(block: Block, k: int) -> str:
        changes = [f"{score.upper()} {in_words(difference(block.run, score, *pair(k)))}" for score in ("fid", "clip")]
        return ", ".join(changes)

    def test(block: Block, k: int) -> Verdict:
        changes = [difference(block.run, score, *pair(k)) for score in ("fid", "clip")]
        if all(change.low == change.value == change.high == 0 for change in changes):
            return exactly(True, f"{block.label}, k={k}: the scores are the same")
        return all_of([costs_little(block.run, *names, f"{block.label}, k={k}") for names in (pair(k), pair(k)[::-1])])

    words = "Hiding the prompt among candidates changes no image without caches: ObCLIP scores as Hybrid SD."
    paper = _each(blocks, lambda b, k: _paper_scores(b, ours(k)) + " against " + _paper_scores(b, pair(k)[1]))
    return scored_claim(config, blocks, words, source, paper, test, figures)


def acceleration_is_cheap(config: Config, blocks: list[Block], acceleration: str, source: str) -> Claim:
    """Holds where FID rises by less than a fifth of the gap between both ends."""

    def figures(block: Block, k: int) -> str:
        fid, clip = (difference(block.run, score, ours(k, acceleration), ours(k)) for score in ("fid", "clip"))
        gap = difference(block.run, "fid", DEVICE, CLOUD)
        return f"FID {in_words(fid)}, gap {in_words(gap)}, CLIP {in_words(clip)}"

    def test(block: Block, k: int) -> Verdict:
        return costs_little(block.run, ours(k, acceleration), ours(k), f"{block.label}, k={k}")

    def paper_figures(block: Block, k: int) -> str:
        rise = block.value(ours(k, acceleration), "fid_paper") - block.value(ours(k), "fid_paper")
        gap = block.value(DEVICE, "fid_paper") - block.value(CLOUD, "fid_paper")
        return f"FID {rise:+.2f} of a gap of {gap:.2f} ({rise / gap:.0%})"

    words = {
        "cache": "Attention cache and block skip cost little quality.",
        "cache+reuse": "Cache, skip and shared attention maps together cost little quality.",
    }[acceleration]
    return scored_claim(config, blocks, words, source, _each(blocks, paper_figures), test, figures)


def better_than_device(config: Config, blocks: list[Block], acceleration: str, source: str) -> Claim:
    """Holds where FID is below and the CLIP score above device-only's."""

    def changes(block: Block, k: int) -> tuple[Estimate, Estimate]:
        name = ours(k, acceleration)
        return difference(block.run, "fid", name, DEVICE), difference(block.run, "clip", name, DEVICE)

    def figures(block: Block, k: int) -> str:
        fid, clip = changes(block, k)
        return f"FID {in_words(fid)}, CLIP {in_words(clip)}"

    def test(block: Block, k: int) -> Verdict:
        fid, clip = changes(block, k)
        what = f"{block.label}, k={k}:"
        return all_of(
            [below(fid, 0.0, f"{what} FID less device-only's"), above(clip, 0.0, f"{what} CLIP score's gain")]
        )

    words = f"ObCLIP with {acceleration} stays better than the device alone."
    paper = _each(blocks, lambda b, k: _paper_scores(b, ours(k, acceleration)) + " against " + _paper_scores(b, DEVICE))
    return scored_claim(config, blocks, words, source, paper, test, figures)


def cheaper_than_vanilla(blocks: list[Block], acceleration: str, source: str, column: str = "cloud_tmac") -> Claim:
    """Holds where the cloud computes at most half of vanilla OG's; counted, so it needs no weights."""

    def share(block: Block, k: int, end: str = "") -> float:
        whole = block.value(VANILLA, f"{column}{end}")
        if whole != whole:  # a cost of each candidate alone: cloud-only's is vanilla OG's
            whole = block.value(CLOUD, f"{column}{end}")
        return block.value(ours(k, acceleration), f"{column}{end}") / whole

    shares = [share(block, k) for block in blocks for k in block.switch_points]
    printed = [share(block, k, "_paper") for block in blocks for k in block.switch_points]
    return Claim(
        f"ObCLIP with {acceleration} costs the cloud much less than vanilla OG.",
        source,
        _each(blocks, lambda b, k: f"{share(b, k, '_paper'):.2f} of vanilla OG")
        if any(p == p for p in printed)
        else "",
        _each(blocks, lambda b, k: f"{share(b, k):.2f} of vanilla OG", paper=False),
        exactly(max(shares) <= CHEAP, f"at most {max(shares):.2f} of vanilla OG's multiply-accumulates; rule: {CHEAP}"),
    )


def keeps_attribute(config: Config, block: Block, attribute: str, limit: float, source: str) -> Claim:
    """Holds where the share of images with the wanted attribute falls by less than `limit` when maps are shared too."""

    def drop(block: Block, k: int) -> Estimate:
        return attribute_drop(block, attribute, ours(k, "cache"), ours(k, "cache+reuse"))

    def figures(block: Block, k: int) -> str:
        clip = difference(block.run, "clip", ours(k, "cache+reuse"), ours(k, "cache"))
        right = [block.value(ours(k, acceleration), attribute) for acceleration in ("cache", "cache+reuse")]
        return f"{attribute} right in {right[0]:.1%}, then {right[1]:.1%}, CLIP {in_words(clip)}"

    def test(block: Block, k: int) -> Verdict:
        return below(drop(block, k), limit, f"{block.label}, k={k}: fall of {attribute} accuracy")

    words = f"Shared attention maps keep the attribute even between opposite values of {attribute}."
    paper = _each(
        [block],
        lambda b, k: (
            f"CLIP {b.value(ours(k, 'cache'), 'clip_paper')}, then "
            f"{b.value(ours(k, 'cache+reuse'), 'clip_paper')}; no attribute accuracy"
        ),
    )
    if block.is_scored and attribute not in block.table:
        return Claim(words, source, paper, "", untested(f"nobody here judges {attribute}"))
    return scored_claim(config, [block], words, source, paper, test, figures)


def attribute_drop(block: Block, attribute: str, before: str, after: str) -> Estimate:
    """Fall of an attribute's accuracy; where no image changed sides, Wilson's interval of no change in n images."""
    fall = difference(block.run, attribute, before, after)
    if fall.low != fall.high or fall.value != 0:
        return fall
    table = read_table(block.run / "results.csv")
    changes = of_share(np.zeros(int((table["method"] == before).sum())))
    return Estimate(0.0, -changes.high, changes.high)


def _each(blocks: list[Block], figures: Callable[[Block, int], str], *, paper: bool = True) -> str:
    """Figures of every block at every switch point."""
    places = [(block, block.paper_label if paper else block.label) for block in blocks]
    return "; ".join(f"{label}, k={k}: {figures(block, k)}" for block, label in places for k in block.switch_points)


def _paper_scores(block: Block, name: str) -> str:
    found = {score: block.value(name, f"{score}_paper") for score in SCORES}
    if found["fid"] != found["fid"]:
        return "no printed scores"
    return "FID {fid:g}, IS {is:g}, CLIP {clip:g}".format(**found)
