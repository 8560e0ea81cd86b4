"""Table 7 (arXiv 2510.04153): what the cloud computes and how long it takes for N = 4 and 6 candidates, k = 5 and 10.

The paper's findings: ObCLIP with cache and reuse is several times faster than vanilla OG, and cost grows linearly with
N without reuse and slower with it.

What decides: (1) the measured speed-up over vanilla OG at N = 6 for every k, against the least that the paper's
latencies give there; its range is that of the rounds, in which all rows are timed in turn. (2) Multiply-accumulates,
which are exact: from N = 4 to 6 those of ObCLIP grow by 6/4 without reuse and by less with it.
"""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config, plain
from obclip_cli.diffusion import pairs
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.beside import PAPER, beside, paper_table
from obclip_cli.reproduction.claims import Claim, all_of, exactly, untested
from obclip_cli.reproduction.finished_runs import measured_on
from obclip_cli.reproduction.paper_costs import cells_of
from obclip_cli.reproduction.rounds import Part, seconds_of
from obclip_cli.reproduction.scoreboard import CACHE, REUSE, Row, baseline_rows, costs, hybrid_rows
from obclip_cli.reproduction.speedups import RANGE, VANILLA, faster, growth, in_words, over_vanilla, ranges
from obclip_cli.reproduction.switch_points import default_split, paper_settings
from obclip_cli.runs import pair_weights, read_table

TITLE = "Table 7: cost and latency by the number of candidates"
CANDIDATES, ROUNDS = (4, 6), 5
PAIRS = {"sd-v1.4+bk-sdm-small": "sd14-bksdm-small", "sdxl+koala-700m": "sdxl-koala"}
KEYS = ["pair", "method", "k", "N"]
TOTAL = "total with device"
BEST = f"ObCLIP+{REUSE}"
GROWING = ("ObCLIP", f"ObCLIP+{CACHE}", BEST)
METHODS = ("cloud-only", "Hybrid SD", VANILLA, *GROWING, TOTAL)
COLUMNS = {"tmac": ("",), "seconds": RANGE, "speedup_by_macs": ("",), "speedup_measured": RANGE}
EXACT = 1e-3  # relative; counts are stored with five digits


def overrides(pair: str) -> list[str]:
    """No data: costs and times do not depend on the prompts."""
    return default_split(pair)


def presets_of(config: Config) -> dict[int, str]:
    """Switch points that the schedule has, the smallest first, with the paper's accelerations for them."""
    return dict(reversed(paper_settings(config)))


def rows_of(config: Config) -> list[Row]:
    """The paper's rows: cloud-only, vanilla OG, and Hybrid SD and ObCLIP at every k."""
    whole = [row for row in baseline_rows(config) if row.method != "device-only"]
    return [*whole, *(row for k, preset in presets_of(config).items() for row in hybrid_rows(config, k, preset))]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `table7.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show."""
    run_folder, missing = _run(config, folder), what_is_missing(config)
    if not runs.is_finished(run_folder, config):
        runs.start(run_folder, config)
        if not missing:
            measured = seconds_of(config, parts(config), ROUNDS, progress)
            runs.write_text(run_folder / "latency.csv", measured.to_csv(index=False))
        runs.mark_finished(run_folder, config)
    times = None if missing else read_table(run_folder / "latency.csv")
    table = side_by_side(config, times)
    caption = described(config, run_folder, missing)
    write_table(table, folder / "table7", caption=caption)
    stored = pd.read_csv(folder / "table7.csv")
    plot_bars(_panels(stored), folder / "table7.png", title=f"{TITLE}, against vanilla OG (%) ↓")
    return f"{caption}\n\n{finding(stored, config)}"


def what_is_missing(config: Config) -> str:
    """Why nothing can be timed here; empty where it can."""
    try:
        pairs.require(config.pair)
    except UserError as error:
        return str(error)
    return ""


def _run(config: Config, folder: Path) -> Path:
    parts = plain(config), CANDIDATES, ROUNDS, pair_weights(config.pair)
    return folder / "runs" / f"table7-{config.pair.name}-{runs.fingerprint(*parts)}"


def parts(config: Config) -> list[Part]:
    """Everything that is timed: every row for every N that it depends on, and the device's steps after every k."""
    found = []
    for row in rows_of(config):
        cloud = split(config.pair, row.run.hybrid(config.hybrid.steps)).cloud
        for n in CANDIDATES if row.run.hidden else (1,):
            found.append(Part(row.run.name, "cloud", cloud, n, row.run.cache))
    for k in presets_of(config):
        found.append(Part(_device_part(k), "device", _device_steps(config, k), 1))
    return found


def _device_part(k: int) -> str:
    return f"device after k={k}"


def _best(config: Config, k: int) -> Row:
    return next(row for row in rows_of(config) if (row.k, row.acceleration) == (k, REUSE))


def _device_steps(config: Config, k: int) -> Stretch:
    return split(config.pair, _best(config, k).run.hybrid(config.hybrid.steps)).device


def name_of(config: Config) -> str:
    """The pair under the paper's name, where it has one."""
    return next((name for name, pair in PAIRS.items() if pair == config.pair.name), config.pair.name)


def side_by_side(config: Config, times: pd.DataFrame | None) -> pd.DataFrame:
    """The configured pair's rows and the paper's, counted by us, with the paper's figures beside them."""
    paper = paper_table(7).rename(columns={"latency_s": "seconds"})
    ours = paper[KEYS].assign(tmac=[cell.ours for cell in cells_of(7)])
    own = pd.DataFrame(own_rows(config, times)).astype({"k": "Int64"})
    if name_of(config) in PAIRS:
        ours = ours.merge(own.drop(columns="tmac"), on=KEYS, how="left")
    else:
        ours = pd.concat([own, ours], ignore_index=True)
    ours["speedup_by_macs"] = over_vanilla(ours, "tmac")
    paper["speedup_by_macs"], paper["speedup_measured"] = over_vanilla(paper, "tmac"), over_vanilla(paper, "seconds")
    both = beside(ours, paper, on=KEYS)
    both["tmac"] = both["tmac"].map(lambda value: float(f"{value:.5g}"))
    ratios = [column for column in both.columns if column.startswith("speedup")]
    both[ratios] = both[ratios].round(3)
    ours_first = [f"{column}{end}" for column, ends in COLUMNS.items() for end in ends]
    return both[[*KEYS, *ours_first, *[f"{column}{PAPER}" for column in COLUMNS]]]


def own_rows(config: Config, times: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The pair's rows in the paper's order; seconds are missing where none were measured."""
    found = []
    for method, k, n in product(METHODS, presets_of(config), CANDIDATES):
        row = next(row for row in rows_of(config) if row.k in (None, k) and _label(row) == method.replace(TOTAL, BEST))
        rows = n if row.run.hidden else 1
        counted = costs(config, row.run, rows)
        tmac = counted["cloud_tmac"] + (counted["device_tmac"] if method == TOTAL else 0)
        cells = {"pair": name_of(config), "method": method, "k": k, "N": n, "tmac": tmac}
        found.append(cells | dict(_seconds(config, times, method, row, k, n)))
    return found


def _label(row: Row) -> str:
    return "+".join(filter(None, [row.method, row.acceleration]))


def _seconds(
    config: Config, times: pd.DataFrame | None, method: str, row: Row, k: int, n: int
) -> Mapping[str, float | None]:
    """Of one row; none without measurements."""
    if times is None:
        return dict.fromkeys([f"{column}{end}" for column in ("seconds", "speedup_measured") for end in RANGE])
    by_round = times.pivot(index="round", columns=["part", "n"], values="seconds")
    vanilla = next(row for row in rows_of(config) if row.method == VANILLA)
    seconds = by_round[row.run.name, n if row.run.hidden else 1]
    if method == TOTAL:
        seconds = seconds + by_round[_device_part(k), 1]
    return ranges(seconds, by_round[vanilla.run.name, n])


def described(config: Config, run_folder: Path, missing: str) -> str:
    """The caption: where each column comes from."""
    timed = f"No seconds of ours: {missing}."
    if not missing:
        timed = (
            f"Seconds: pair {config.pair.name}, the cloud's part for a batch of N, in `{TOTAL}` the device's for one "
            f"image too, on {measured_on(run_folder)}; median and range of {ROUNDS} rounds, in which all rows run in "
            "turn. A speed-up's range is that over the rounds."
        )
    return (
        f"{TITLE}. T multiply-accumulates: counted on the architectures by the paper's convention, "
        f"{config.hybrid.steps} steps. {timed} Speed-ups are over vanilla OG with the same N. Columns `{PAPER}`: as "
        f"printed, seconds on a V100. `{TOTAL}`: ObCLIP with cache and reuse, and the device's steps. Device-only "
        f"costs the cloud nothing; HE-Diffusion the paper quotes with {_encrypted()} s, in its Table 2. "
        f"Run: runs/{run_folder.name}."
    )


def _encrypted() -> str:
    """HE-Diffusion's seconds, as the paper quotes them."""
    return str(paper_table(2).query("method == 'HE-Diffusion'")["cloud_latency_s"].iloc[0])


def _panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each k at the largest N: cost and seconds in % of vanilla OG's, the first pair's and the paper's of SD-v1.4."""
    own, quoted = table["pair"].iloc[0], next(iter(PAIRS))
    quoted = own if own in PAIRS else quoted
    n, panels = max(CANDIDATES), {}
    for k in sorted(table["k"].unique()):
        rows = table[(table["k"] == k) & (table["N"] == n)].set_index(["pair", "method"])
        series = {
            f"{own}: multiply-accumulates": (own, "speedup_by_macs"),
            f"{own}: seconds": (own, "speedup_measured"),
            f"paper, {quoted}: FLOPs": (quoted, f"speedup_by_macs{PAPER}"),
            f"paper, {quoted}: seconds": (quoted, f"speedup_measured{PAPER}"),
        }
        shares = {
            label: (100 / rows[column]).reindex([(pair, method) for method in METHODS]).set_axis(METHODS)
            for label, (pair, column) in series.items()
        }
        panels[f"k = {k}, N = {n}"] = pd.DataFrame(shares, index=list(METHODS))
    return panels


def finding(table: pd.DataFrame, config: Config) -> str:
    """What the table shows, in words computed from it."""
    n = max(CANDIDATES)
    rows = table[(table["method"] == BEST) & (table["N"] == n)]
    own = rows[rows["pair"] == name_of(config)]
    here = []
    for row in own.to_dict("records"):
        timed = "" if pd.isna(row["speedup_measured"]) else f", {in_words(row)} measured"
        here.append(f"k = {row['k']}: {row['speedup_by_macs']:.2f} by multiply-accumulates{timed}")
    grown = [f"{method} {_listed(growth(table, name_of(config), method, 'tmac'))}" for method in GROWING]
    return (
        f"ObCLIP with cache and reuse against vanilla OG at N = {n}, {'; '.join(here)}. The paper's: {_quoted(rows)}. "
        f"From N = {CANDIDATES[0]} to {n} (x{n / CANDIDATES[0]:g}) multiply-accumulates grow: {'; '.join(grown)}."
    )


def _quoted(rows: pd.DataFrame) -> str:
    return "; ".join(
        f"{row['pair']}, k = {row['k']}: {row[f'speedup_measured{PAPER}']:.2f} by its latencies, "
        f"{row[f'speedup_by_macs{PAPER}']:.2f} by its FLOPs"
        for row in rows.dropna(subset=[f"speedup_measured{PAPER}"]).to_dict("records")
    )


def _listed(ratios: dict[int, float]) -> str:
    return ", ".join(f"x{ratio:.4g} at k = {k}" for k, ratio in ratios.items())


def claims(config: Config, folder: Path) -> list[Claim]:
    """Both findings of the docstring, from `table7.csv`."""
    table = pd.read_csv(folder / "table7.csv")
    return [_speed_claim(table, config), _growth_claim(table, config)]


def _speed_claim(table: pd.DataFrame, config: Config) -> Claim:
    n = max(CANDIDATES)
    rows = table[(table["method"] == BEST) & (table["N"] == n)]
    least = float(rows[f"speedup_measured{PAPER}"].min())
    own = rows[rows["pair"] == name_of(config)].to_dict("records")
    verdict = untested(what_is_missing(config) or "no switch point of the paper lies in this schedule")
    if own and all(pd.notna(row["speedup_measured"]) for row in own):
        verdict = all_of([faster(row, least) for row in own])
    here = [
        f"k={row['k']}: {'' if pd.isna(row['speedup_measured']) else f'{in_words(row)} measured, '}"
        f"{row['speedup_by_macs']:.2f} by multiply-accumulates"
        for row in own
    ]
    return Claim(
        f"ObCLIP with cache and reuse is 4.4 to 7.6 times faster than vanilla OG (N = {n})",
        "Tables 2 and 7",
        _quoted(rows),
        "; ".join(here),
        verdict,
    )


def _growth_claim(table: pd.DataFrame, config: Config) -> Claim:
    linear = max(CANDIDATES) / min(CANDIDATES)
    verdicts, here, there = [], [], []
    for method in GROWING:
        ours = growth(table, name_of(config), method, "tmac")
        here.append(f"{method} {_listed(ours)}")
        quoted = growth(table, next(iter(PAIRS)), method, f"tmac{PAPER}")
        there.append(f"{method} {_listed(quoted)}")
        for k, ratio in ours.items():
            if method == BEST:
                verdicts.append(exactly(ratio < linear * (1 - EXACT), f"{method}, k={k}: x{ratio:.4g} < x{linear:g}"))
            else:
                is_linear = abs(ratio / linear - 1) < EXACT
                verdicts.append(exactly(is_linear, f"{method}, k={k}: x{ratio:.4g} against x{linear:g}"))
    return Claim(
        "Cost grows linearly with N without reuse, and slower with it",
        "Table 7",
        "; ".join(there),
        "; ".join(here),
        all_of(verdicts) if verdicts else untested("no switch point of the paper lies in this schedule"),
    )
