"""Tables of image quality against cost (the paper's Tables 2, 3 and 6): files, captions and what they show."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.evaluation.score import caption as run_caption
from obclip_cli.report.plots import plot_tradeoff
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.beside import KEYS, PAPER, beside, paper_table
from obclip_cli.reproduction.finished_runs import measured_on, run_of
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.scoreboard import CACHE, ROUNDS, Board, Row, baseline_rows, hybrid_rows, measure
from obclip_cli.reproduction.switch_points import paper_settings
from obclip_cli.runs import read_table

QUOTED = "HE-Diffusion (quoted)"
VANILLA = "vanilla OG"
CAPTIONS = "captions"
CAPTIONS_ON_MINI = 200
# What only programs need.
ONLY_IN_CSV = (
    "name",
    "block",
    "paper_block",
    "run_folder",
    *(f"{s}{end}" for s in ("kid", "ssim") for end in ("", "_low", "_high")),
)
SCORES = ("fid", "is", "clip")
ATTRIBUTES = ("gender", "tone", "age", "role_top3")


@dataclass(frozen=True)
class Block:
    """The rows of a table that one run measured.

    Attributes:
        label, paper_label: name the block and the paper's rows beside it, such as "N=10" and "N=6".
        table: ours, with the paper's figures in columns that end in `_paper`.
        run: the run folder; without results where scores could not be made.
    """

    label: str
    paper_label: str
    table: pd.DataFrame
    run: Path

    @property
    def is_scored(self) -> bool:
        """Whether images were made and compared with references."""
        return "fid" in self.table and bool(self.table["fid"].notna().any())

    @property
    def switch_points(self) -> list[int]:
        """Every k of ObCLIP that was counted."""
        ours = self.table[(self.table["method"] == "ObCLIP") & self.table["cloud_share"].notna()]
        return sorted({int(k) for k in ours["k"]}, reverse=True)

    def value(self, name: str, column: str) -> float:
        """One cell, nan where it is empty or not a number."""
        cells = self.table.loc[self.table["name"] == name, column] if column in self.table else pd.Series(dtype=float)
        return float(pd.to_numeric(cells.iloc[0], errors="coerce")) if len(cells) else float("nan")


def rows_of(config: Config, accelerations: tuple[str, ...]) -> list[Row]:
    """Baselines, then Hybrid SD and ObCLIP at each of the paper's switch points that the cloud's schedule has."""
    hybrids = [hybrid_rows(config, k, preset, accelerations) for k, preset in paper_settings(config)]
    return [*baseline_rows(config), *(row for rows in hybrids for row in rows)]


def measure_captions(config: Config, folder: Path, progress: ProgressBar) -> Board:
    """The rows that Tables 3, 4 and 5 have in common, for one candidate: one run, whichever of them comes first."""
    return measure(config, rows_of(config, ("", CACHE)), folder, progress, name=CAPTIONS, candidates=1)


def planned_captions(config: Config) -> Planned:
    """What `measure_captions` runs."""
    return Planned(config, [row.run for row in rows_of(config, ("", CACHE))])


def captions_run(config: Config, folder: Path) -> Path:
    """The run folder of `measure_captions` where everything is here."""
    return run_of(config, [row.run for row in rows_of(config, ("", CACHE))], folder, name=CAPTIONS)


def method_name(method: str, k: int | None, acceleration: str) -> str:
    """A row's name, which is also its method's in the run."""
    return ", ".join(filter(None, [method, f"k={k}" if k else "", acceleration]))


def with_quoted_row(paper: pd.DataFrame) -> pd.DataFrame:
    """The paper's rows and its quotation of HE-Diffusion's latency, which it prints in Table 2."""
    printed = paper_table(2)
    quoted = printed[printed["method"] == "HE-Diffusion"].head(1)[[*KEYS, "cloud_latency_s"]]
    others = paper[paper["method"] != "HE-Diffusion"]
    both = pd.concat([others, quoted.assign(method=QUOTED)], ignore_index=True)
    return both.rename(columns={"cloud_latency_s": "cloud_seconds"})


def block_of(board: Board, paper: pd.DataFrame, *, label: str, paper_label: str) -> Block:
    """A measured table beside the paper's rows."""
    table = beside(board.table.drop(columns="run"), paper, on=KEYS)
    names = [
        method_name(row["method"], None if pd.isna(row["k"]) else int(row["k"]), row["acceleration"])
        for row in table[KEYS].to_dict("records")
    ]
    table.insert(0, "name", names)
    table.insert(0, "paper_block", paper_label)
    table.insert(0, "block", label)
    return Block(label, paper_label, table.assign(run_folder=board.run.name), board.run)


def write_blocks(blocks: list[Block], stem: Path, *, first: list[str], caption: str) -> pd.DataFrame:
    """Write the CSV with every column, and Markdown and LaTeX with those that people need.

    Args:
        first: columns that lead, after which scores and costs follow, the paper's next to ours.
    """
    table = pd.concat([block.table for block in blocks], ignore_index=True)
    scores = [f"{s}{end}" for s in (*SCORES, *ATTRIBUTES) for end in ("", "_low", "_high", PAPER)]
    costs = ["cloud_share", "cloud_tmac", "cloud_tmac_per_candidate", "device_tmac", "cloud_seconds"]
    wanted = [*first, *scores, *(f"{cost}{end}" for cost in costs for end in ("", PAPER))]
    leading = [column for column in wanted if column in table and column not in ONLY_IN_CSV]
    rest = [column for column in table if column not in (*leading, *ONLY_IN_CSV)]
    shown = table[[*leading, *rest]].dropna(axis="columns", how="all")
    write_table(shown, stem, caption=caption)
    whole = table[[*(column for column in ONLY_IN_CSV if column in table), *shown]]
    runs.write_text(stem.with_suffix(".csv"), whole.to_csv(index=False))
    return whole


def read_blocks(stem: Path) -> list[Block]:
    """What `write_blocks` has written.

    Raises:
        UserError: it is not there, or not readable.
    """
    table = read_table(stem.with_suffix(".csv"))
    table["acceleration"] = table["acceleration"].fillna("")
    return [
        Block(
            str(label),
            str(rows["paper_block"].iloc[0]),
            rows.reset_index(drop=True),
            stem.parent / "runs" / rows["run_folder"].iloc[0],
        )
        for label, rows in table.groupby("block", sort=False)
    ]


def where_measured(config: Config, boards: list[Board]) -> str:
    """What stands in every caption: who gave which score, what was counted, and what was timed where."""
    names = ", ".join(f"runs/{board.run.name}" for board in boards)
    counted = (
        "Multiply-accumulates are counted on the architectures, by the paper's convention: one attention product in "
        "the cloud, none on the device. Columns that end in _paper are the paper's figures, HE-Diffusion's row is its "
        "quotation of another work."
    )
    if missing := next((board.missing for board in boards if board.missing), ""):
        return f"Pair {config.pair.name}. Scores and seconds are empty: {missing}. {counted} Runs: {names}."
    seconds = f"Seconds: the cloud's part, median of {ROUNDS} on {measured_on(boards[0].run)}; the paper's on a V100."
    analogue = (
        " An analogue of the paper's experiment on small models: its scores show trends and are not comparable with "
        "the paper's figures, nor are its costs but for cloud_share, the cloud's cost against cloud-only."
    )
    return (
        f"{run_caption(config, boards[0].run)} {counted} {seconds}{analogue if config.pair.name == 'mini' else ''} "
        f"Runs: {names}."
    )


def plot_blocks(blocks: list[Block], path: Path, *, paper_share: str, title: str) -> None:
    """FID over the cloud's cost: each block's, and the paper's rows beside it.

    Args:
        paper_share: column of the paper's cost against its cloud-only.
    """
    panels = {}
    for block in blocks:
        ours = [c for c in ("name", "cloud_share", "fid", "fid_low", "fid_high") if c in block.table]
        panels[f"ours, {block.label}"] = block.table[ours].assign(fid=block.table.get("fid"))
        columns = {"name": "name", paper_share: "cloud_share", f"fid{PAPER}": "fid"}
        panels[f"the paper's, {block.paper_label}"] = block.table[list(columns)].rename(columns=columns)
    plot_tradeoff(panels, path, score="fid", label="FID ↓", title=title)


def finding(blocks: list[Block], acceleration: str) -> str:
    """What each block shows of ObCLIP with the accelerations, against its two ends; computed from the table."""
    return "\n".join(f"* {_shows(block, k, acceleration)}" for block in blocks for k in block.switch_points)


def _shows(block: Block, k: int, acceleration: str) -> str:
    name = method_name("ObCLIP", k, acceleration)
    share, whole = block.value(name, "cloud_share"), block.value(VANILLA, "cloud_share")
    cost = f"{block.label}, {name}: the cloud computes {share:.2f} times cloud-only's, vanilla OG {whole:.2f} times"
    if not block.is_scored:
        return f"{cost}."
    fid, clip = (_place(block, name, score, sign) for score, sign in (("fid", -1), ("clip", 1)))
    return f"{cost}. FID {fid}. CLIP score {clip}."


def _place(block: Block, name: str, score: str, sign: int) -> str:
    """A score, and where it lies among both ends; `sign` is 1 where more is better."""
    ours, cloud, device = (block.value(each, score) for each in (name, "cloud-only", "device-only"))
    better = [sign * (ours - end) > 0 for end in (cloud, device)]
    where = "better than both" if all(better) else "no better than either" if not any(better) else "between them"
    return f"{ours:.4g}, cloud-only's {cloud:.4g}, device-only's {device:.4g}: {where}"
