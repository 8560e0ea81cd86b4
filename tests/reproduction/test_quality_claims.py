"""Verdicts on quality and cost from hand-made tables, in both directions."""

from dataclasses import replace
from pathlib import Path

import pytest

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.quality_claims import (
    acceleration_is_cheap,
    better_than_device,
    cheaper_than_vanilla,
    hiding_is_free,
    keeps_attribute,
)
from tests.reproduction.hand_made import CLIPS, FIDS, SHARES, hand_made_block

CACHE, REUSE = "ObCLIP, k=10, cache", "ObCLIP, k=10, cache+reuse"


@pytest.fixture(scope="module")
def config() -> Config:
    return compose_config()


@pytest.mark.parametrize(
    ("hidden", "word"), [(12.0, HOLDS), (12.5, HOLDS), (16.0, DOES_NOT_HOLD), (8.0, DOES_NOT_HOLD)]
)
def test_hiding_may_move_fid_by_a_fifth_of_the_gap_in_either_direction(
    config: Config, tmp_path: Path, hidden: float, word: str
) -> None:
    """The gap is 10, so 2 either way from Hybrid SD's 12."""
    block = hand_made_block(tmp_path / "run", fids=FIDS | {"ObCLIP, k=10": hidden})
    claim = hiding_is_free(config, [block], "Table 2")
    assert claim.verdict.word == word
    assert f"FID {100 + hidden:g}, IS 5, CLIP 0.75 against FID 112, IS 5, CLIP 0.75" in claim.paper


def test_hiding_with_equal_scores_holds_however_small_the_gap(config: Config, tmp_path: Path) -> None:
    block = hand_made_block(tmp_path / "run", fids=dict.fromkeys(FIDS, 12.0), spread=0.0)
    verdict = hiding_is_free(config, [block], "Table 2").verdict
    assert verdict.word == HOLDS and "the same" in verdict.why


@pytest.mark.parametrize(("fid", "word"), [(13.0, HOLDS), (14.0, NOT_TESTABLE), (15.0, DOES_NOT_HOLD)])
def test_accelerations_may_cost_a_fifth_of_the_gap(config: Config, tmp_path: Path, fid: float, word: str) -> None:
    """From 12 without caches, a fifth of the gap of 10 leads to 14."""
    block = hand_made_block(tmp_path / "run", fids=FIDS | {CACHE: fid})
    claim = acceleration_is_cheap(config, [block], "cache", "Table 2")
    assert claim.verdict.word == word
    assert f"FID {fid - 12:+.2f} of a gap of 10.00 ({(fid - 12) / 10:.0%})" in claim.paper


def test_without_a_gap_accelerations_cannot_be_judged(config: Config, tmp_path: Path) -> None:
    block = hand_made_block(tmp_path / "run", fids=FIDS | {"device-only": 10.05}, spread=1.0)
    verdict = acceleration_is_cheap(config, [block], "cache", "Table 2").verdict
    assert verdict.word == NOT_TESTABLE and "gap" in verdict.why


@pytest.mark.parametrize(
    ("fid", "clip", "word"),
    [(12.6, 0.74, HOLDS), (25.0, 0.74, DOES_NOT_HOLD), (12.6, 0.5, DOES_NOT_HOLD), (20.0, 0.74, NOT_TESTABLE)],
)
def test_better_than_the_device_takes_both_scores(
    config: Config, tmp_path: Path, fid: float, clip: float, word: str
) -> None:
    block = hand_made_block(tmp_path / "run", fids=FIDS | {REUSE: fid}, clips=CLIPS | {REUSE: clip})
    assert better_than_device(config, [block], "cache+reuse", "Table 2").verdict.word == word


@pytest.mark.parametrize(("share", "word"), [(0.62, HOLDS), (1.0, HOLDS), (1.02, DOES_NOT_HOLD)])
def test_half_of_vanilla_og_is_the_limit_and_needs_no_scores(tmp_path: Path, share: float, word: str) -> None:
    block = hand_made_block(tmp_path / "run", shares=SHARES | {REUSE: share})
    unscored = replace(block, table=block.table.drop(columns="fid"))
    claim = cheaper_than_vanilla([unscored], "cache+reuse", "Table 2")
    assert claim.verdict.word == word
    assert claim.ours == f"N=2, k=10: {share / 2:.2f} of vanilla OG"


@pytest.mark.parametrize(("lost", "word"), [(0, HOLDS), (2, HOLDS), (10, NOT_TESTABLE), (40, DOES_NOT_HOLD)])
def test_sharing_may_lose_few_attributes(config: Config, tmp_path: Path, lost: int, word: str) -> None:
    """Of 200 images; 10 are the 5 % of the limit."""
    block = hand_made_block(tmp_path / "run", lost=lost)
    claim = keeps_attribute(config, block, "gender", 0.05, "Table 2")
    assert claim.verdict.word == word
    assert f"then {1 - lost / 200:.1%}" in claim.ours


def test_attributes_that_nobody_judges_are_not_tested(config: Config, tmp_path: Path) -> None:
    claim = keeps_attribute(config, hand_made_block(tmp_path / "run"), "age", 0.05, "Table 2")
    assert claim.verdict.word == NOT_TESTABLE and "age" in claim.verdict.why


def test_without_scores_nothing_about_quality_is_tested(config: Config, tmp_path: Path) -> None:
    block = hand_made_block(tmp_path / "run")
    unscored = replace(block, table=block.table.drop(columns=["fid", "clip"]))
    for claim in (
        hiding_is_free(config, [unscored], "Table 2"),
        acceleration_is_cheap(config, [unscored], "cache", "Table 2"),
        better_than_device(config, [unscored], "cache", "Table 2"),
    ):
        assert claim.verdict.word == NOT_TESTABLE and claim.ours == "" and claim.paper
