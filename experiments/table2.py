"""Table 2's claim on seconds: with one attribute and all accelerations, ObCLIP is about as fast as Hybrid SD."""

from pathlib import Path

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import Block, blocks_of
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import score_table
from obclip_cli.reproduction.claims import Claim, below, in_words, untested
from obclip_cli.reproduction.experiment import what_is_missing
from obclip_cli.reproduction.timing import ratio, seconds_of

IN_TURN, SECONDS, ROUNDS = "in_turn", "seconds.csv", 12
COMPARED = ("ObCLIP, cache+reuse", "Hybrid SD")
DEARER = 1.1  # times Hybrid SD's seconds, at the paper's k = 10


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """The table, and seconds of both methods in turn for the smallest N."""
    caption = score_table.run(config, folder, progress)
    block = blocks_of(config)[0]
    timed = block.run(folder) / IN_TURN
    if not what_is_missing(config) and not runs.is_finished(timed, block.config):
        names = [name for pair in _pairs(block).values() for name in pair]
        parts = [part for part in score_table.cloud_parts(block) if part.name in names]
        runs.write_text(timed / SECONDS, seconds_of(block.config, parts, ROUNDS, progress).to_csv(index=False))
        runs.mark_finished(timed, block.config)
    return caption


def claims(config: Config, folder: Path) -> list[Claim]:
    """Holds where the whole interval at the larger k lies below 1.1 times Hybrid SD's seconds."""
    says = "With one attribute and all accelerations, ObCLIP is about as fast in the cloud as Hybrid SD."
    paper = "N=2, k=10: 0.57 against 0.55 s; k=5: 0.33 against 0.28 s"
    block = blocks_of(config)[0]
    path = block.run(folder) / IN_TURN / SECONDS
    if not path.exists():
        return [Claim(says, "Table 2", paper, "", untested(what_is_missing(config) or "nothing was timed"))]
    times = runs.read_table(path)
    ratios = {k: ratio(times, *pair) for k, pair in _pairs(block).items()}
    ours = "; ".join(f"{block.label}, k={k}: {in_words(found)} times as long" for k, found in ratios.items())
    return [Claim(says, "Table 2", paper, ours, below(ratios[max(ratios)], DEARER, f"k={max(ratios)}: times as long,"))]


def _pairs(block: Block) -> dict[int, tuple[str, ...]]:
    """The names of both methods at every k."""
    points = dict.fromkeys(row.k for row in block.rows if row.k is not None)
    named = {(row.name, row.k): row.run.name for row in block.rows}
    return {k: tuple(named[name, k] for name in COMPARED) for k in points}
