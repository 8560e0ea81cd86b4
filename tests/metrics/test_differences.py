"""Differences between methods are of the same prompts, so what both share drops out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from obclip_cli.metrics.differences import difference
from obclip_cli.metrics.fid import fid, fid_estimate


def run_of(tmp_path: Path) -> Path:
    """Two methods whose scores vary much over prompts, and differ by 0.1 everywhere."""
    hard = np.linspace(0, 1, 40)
    rows = [{"method": m, "seed": i, "clip": hard[i] + add} for m, add in (("a", 0.1), ("b", 0.0)) for i in range(40)]
    pd.DataFrame(rows).sample(frac=1, random_state=0).to_csv(tmp_path / "results.csv", index=False)
    draws = np.random.default_rng(0).normal(5, 2, 200)
    methods = {
        "a": {"fid": {"value": 5.5, "low": 1.5, "high": 9.5, "draws": list(draws + 0.5)}},
        "b": {"fid": {"value": 5.0, "low": 1.0, "high": 9.0, "draws": list(draws)}},
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"examiner": {}, "methods": methods}))
    return tmp_path


@pytest.mark.parametrize(("score", "by"), [("clip", 0.1), ("fid", 0.5)])
def test_what_the_prompts_have_in_common_drops_out(tmp_path: Path, score: str, by: float) -> None:
    found = difference(run_of(tmp_path), score, "a", "b")
    assert (found.value, found.low, found.high) == pytest.approx((by, by, by))
    assert difference(tmp_path, score, "b", "a").value == pytest.approx(-by)


def test_draws_of_methods_are_of_the_same_images() -> None:
    """Moving all features by one vector adds its squared length to every draw's FID only if the draws are alike."""
    import torch

    real, generated = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).split(25)
    here = fid_estimate(real, generated, np.random.default_rng([0, 0]))
    there = fid_estimate(real, generated.flip(1).flip(1), np.random.default_rng([0, 0]))
    assert here.draws == there.draws and len(set(here.draws)) > 100
    assert np.mean(here.draws) == pytest.approx(fid(real, generated), abs=3 * np.std(here.draws))
