"""Table 6's claim that N = 30 works as well as fewer candidates; it needs Table 2 in the same folder."""

from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.contrasts import combined, difference, independent, prompts_in
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.reproduction.claims import LITTLE, Claim, Verdict, all_of, costs_little, in_words, untested
from obclip_cli.reproduction.experiment import what_is_missing
from obclip_cli.runs import read_table

SAYS = "N = 30 works as well as N = 6: FID stays as near to cloud-only's."
# Which distance decides: to the cloud's own images, of infinitely many where sizes differ, else the paper's.
SHARP, SHARP_OF_SIZES, OWN = "fid_cloud", "fid_cloud_inf", "fid"
PAPER = "FID above cloud-only's: N=6, k=10: -3.63; N=30, k=10: -1.65; N=6, k=5: +0.53; N=30, k=5: +1.43"


def claims(config: Config, folder: Path) -> list[Claim]:
    """Holds where FID's rise over cloud-only exceeds that of Table 2's larger N by less than a fifth of the gap."""
    block, table2 = blocks_of(config)[0], folder / "table2.csv"
    smaller = folder / "runs" / read_table(table2)["run_folder"].iloc[-1] if table2.exists() else None
    larger = block.run(folder)
    if missing := what_is_missing(config):
        return [Claim(SAYS, "Table 6", PAPER, "", untested(missing))]
    if smaller is None or f"-{config.pair.name}-" not in smaller.name:
        return [Claim(SAYS, "Table 6", PAPER, "", untested("Table 2 has not been measured beside it"))]
    score = deciding(smaller, larger)
    names = {row.k: row.run.name for row in block.rows if row.name == "ObCLIP, cache+reuse"}
    told = [
        f"{run.name.split('-')[1]}, k={k}: {in_words(difference(run, score, name, CLOUD_ONLY))}"
        for k, name in names.items()
        for run in (smaller, larger)
    ]
    verdict = all_of([as_well(smaller, larger, name, score) for name in names.values()])
    return [Claim(SAYS, "Table 6", PAPER, f"{score} above cloud-only's: {'; '.join(told)}", verdict)]


def deciding(smaller: Path, larger: Path) -> str:
    """The sharpest distance that both runs have."""
    tables = [read_table(run / "scores.csv") for run in (smaller, larger)]
    score = SHARP if prompts_in(smaller) == prompts_in(larger) else SHARP_OF_SIZES
    return score if all(score in table and table[score].notna().any() for table in tables) else OWN


def as_well(smaller: Path, larger: Path, name: str, score: str = OWN) -> Verdict:
    """The rule for one method; the runs have different prompts, so their variances add."""
    rise = {name: 1.0, CLOUD_ONLY: -1.0}
    fewer = difference(smaller, score, name, CLOUD_ONLY)
    left = combined(larger, score, {name: 1.0, CLOUD_ONLY: LITTLE - 1.0, DEVICE_ONLY: -LITTLE})
    gap = difference(larger, score, DEVICE_ONLY, CLOUD_ONLY)
    return costs_little(
        independent(combined(larger, score, rise), fewer),
        gap,
        independent(left, fewer),
        f"{name}: {score}'s rise beyond that",
        prompts_in(larger),
    )
