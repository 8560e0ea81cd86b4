"""Table 6's claim that N = 30 works as well as fewer candidates; it needs Table 2 in the same folder."""

from pathlib import Path

from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.contrasts import combined, difference, independent, prompts_in
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.reproduction.claims import LITTLE, Claim, Verdict, all_of, costs_little, in_words, untested
from obclip_cli.reproduction.experiment import what_is_missing
from obclip_cli.runs import read_table

SAYS = "N = 30 works as well as N = 6: its images stay as near to cloud-only's."
# What decides: as for the cost of caches, the judge's distance to cloud-only's image of the same noise.
SHARP, OWN = "distance", "fid"
# Told beside it: the distance to the cloud's own images, of infinitely many where sizes differ.
BESIDE, BESIDE_OF_SIZES = "fid_cloud", "fid_cloud_inf"
PAPER = "FID above cloud-only's: N=6, k=10: -3.63; N=30, k=10: -1.65; N=6, k=5: +0.53; N=30, k=5: +1.43"


def claims(config: Config, folder: Path) -> list[Claim]:
    """Holds where the rise over cloud-only exceeds that of Table 2's larger N by less than a fifth of the gap."""
    block, table2 = blocks_of(config)[0], folder / "table2.csv"
    smaller = folder / "runs" / read_table(table2)["run_folder"].iloc[-1] if table2.exists() else None
    larger = block.run(folder)
    if missing := what_is_missing(config):
        return [Claim(SAYS, "Table 6", PAPER, "", untested(missing))]
    if smaller is None or f"-{config.pair.name}-" not in smaller.name:
        return [Claim(SAYS, "Table 6", PAPER, "", untested("Table 2 has not been measured beside it"))]
    names = {row.k: row.run.name for row in block.rows if row.name == "ObCLIP, cache+reuse"}
    own_images = BESIDE if prompts_in(smaller) == prompts_in(larger) else BESIDE_OF_SIZES
    score, *beside = [name for name in (SHARP, own_images, OWN) if _known(name, smaller, larger)] or [OWN]
    told = [
        f"{run.name.split('-')[1]}, k={k}: {in_words(difference(run, score, name, CLOUD_ONLY))}"
        for k, name in names.items()
        for run in (smaller, larger)
    ]
    verdict, *others = (
        all_of([as_well(smaller, larger, name, each) for name in names.values()]) for each in (score, *beside)
    )
    why = ". ".join([verdict.why, *(f"Beside it ({other.word}): {other.why}" for other in others)])
    return [Claim(SAYS, "Table 6", PAPER, f"{score} above cloud-only's: {'; '.join(told)}", Verdict(verdict.word, why))]


def _known(score: str, *folders: Path) -> bool:
    tables = [read_table(folder / "scores.csv") for folder in folders]
    return all(score in table and table[score].notna().any() for table in tables)


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
