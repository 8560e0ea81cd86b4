"""A quick run beside the full one: what lies outside the intervals is named."""

from pathlib import Path

from obclip_cli.metrics.intervals import Estimate
from obclip_cli.reproduction.agreement import agreement_with, write_contrasts
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.reproduction.power import Contrast


def claim_of(**values: float) -> Claim:
    contrasts = tuple(Contrast(name, Estimate(v, v - 1, v + 1), 0.0, 50) for name, v in values.items())
    return Claim("caches cost little", "Table 2", "", "", exactly(True, ""), contrasts)


def test_what_is_further_apart_than_both_intervals_is_named(tmp_path: Path) -> None:
    """Two half-widths of 1 make one of 1.41."""
    write_contrasts([claim_of(near=0.0, far=0.0, gone=0.0)], tmp_path)
    said = agreement_with([claim_of(near=1.3, far=1.5, new=9.0)], tmp_path)
    assert said.startswith("Of 2 differences 1 agree") and "far (Table 2): 1.5, there 0" in said and "near" not in said


def test_nothing_is_said_without_a_full_run(tmp_path: Path) -> None:
    assert agreement_with([claim_of(near=1.0)], tmp_path) == ""
    write_contrasts([claim_of(gone=0.0)], tmp_path)
    assert agreement_with([claim_of(near=1.0)], tmp_path) == ""
