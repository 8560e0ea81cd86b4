"""Verdicts on FIDs, from a hand-made run in both directions."""

import json
from pathlib import Path

import numpy as np
import pytest

from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE
from obclip_cli.reproduction.finished_runs import is_scored, measured_on
from obclip_cli.reproduction.verdicts import costs_little, has_least_fid, lies_between_the_ends

SHARED = np.random.default_rng(0).normal(0, 5, 200)  # resampled alike, so a difference does not see it


def a_run(folder: Path, fids: dict[str, float], noise: float = 0.01) -> Path:
    """A run whose methods have these FIDs; `noise` is the spread of each one's own resamples."""
    rng = np.random.default_rng(1)
    draws = {name: (fid + SHARED + rng.normal(0, noise, len(SHARED))).tolist() for name, fid in fids.items()}
    found = {name: {"fid": {"value": fid, "draws": draws[name]}} for name, fid in fids.items()}
    (folder / "metrics.json").write_text(json.dumps({"methods": found}))
    return folder


@pytest.mark.parametrize(("best", "word"), [(5.0, HOLDS), (9.0, DOES_NOT_HOLD)])
def test_the_least_fid_must_be_below_every_other(tmp_path: Path, best: float, word: str) -> None:
    run = a_run(tmp_path, {"best": best, "x": 7.0, "y": 12.0})
    assert has_least_fid(run, "best", ["x", "y"]).word == word


def test_what_noise_hides_is_not_testable(tmp_path: Path) -> None:
    run = a_run(tmp_path, {"best": 5.0, "x": 7.0}, noise=10)
    assert has_least_fid(run, "best", ["x"]).word == NOT_TESTABLE


@pytest.mark.parametrize(("hybrid", "word"), [(5.0, HOLDS), (3.0, DOES_NOT_HOLD), (9.0, DOES_NOT_HOLD)])
def test_a_hybrid_lies_between_the_ends(tmp_path: Path, hybrid: float, word: str) -> None:
    run = a_run(tmp_path, {"cloud-only": 4.0, "device-only": 8.0, "ours": hybrid})
    assert lies_between_the_ends(run, ["ours"]).word == word


@pytest.mark.parametrize(("cached", "word"), [(6.9, HOLDS), (7.1, DOES_NOT_HOLD)])
def test_a_cache_costs_little_below_one_fifth_of_the_gap(tmp_path: Path, cached: float, word: str) -> None:
    """The gap is 5, so a rise of 1 is the limit."""
    run = a_run(tmp_path, {"cloud-only": 4.0, "device-only": 9.0, "plain": 6.0, "cached": cached})
    assert costs_little(run, "cached", "plain", "cache").word == word


def test_without_a_gap_there_is_nothing_to_hold_a_cache_against(tmp_path: Path) -> None:
    run = a_run(tmp_path, {"cloud-only": 9.0, "device-only": 9.0, "plain": 6.0, "cached": 2.0})
    verdict = costs_little(run, "cached", "plain", "cache")
    assert verdict.word == NOT_TESTABLE and "cannot be told from 0" in verdict.why


def test_a_run_is_scored_once_its_table_is_there(tmp_path: Path) -> None:
    assert not is_scored(tmp_path)
    (tmp_path / "scores.csv").write_text("method\n")
    assert is_scored(tmp_path)


@pytest.mark.parametrize(("accelerator", "words"), [(None, "CPU X, 3 threads"), ("GPU Y", "GPU Y")])
def test_where_a_run_was_measured(tmp_path: Path, accelerator: str | None, words: str) -> None:
    facts = {"processor": "CPU X", "threads": 3, "accelerator": accelerator}
    (tmp_path / "environment.json").write_text(json.dumps(facts))
    assert measured_on(tmp_path) == words
