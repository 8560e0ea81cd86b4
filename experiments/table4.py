"""Table 4 (arXiv 2510.04153): SDXL with KOALA-700M on MJHQ; and LCM-SDXL as a cloud with a schedule of its own.

The paper's findings: the hybrid lies between the small and the large model, the attention cache costs it little, and
behind a cloud with 8 steps of its own the device begins best at t_device = t_cloud + 8. After k = 4 of 8 steps the
noise is that of step 12.5 of 25, so theory says the same.

What decides: (1) the FID at dt = 8 lies below those of the other shifts; (2) the cache raises the FID by less than
one fifth of the gap between device-only and cloud-only; (3) the FIDs without cache lie between those of the ends. Each
with the whole 95 % interval of the paired difference.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli.config import Config
from obclip_cli.evaluation.methods import Method
from obclip_cli.evaluation.score import caption as scored_by
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.beside import PAPER, beside, paper_table
from obclip_cli.reproduction.claims import Claim, Verdict, all_of, untested
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.finished_runs import is_scored, measured_on, run_of
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.own_schedule import LCM_PAIR, own_schedule, shared_schedule
from obclip_cli.reproduction.quality_table import CAPTIONS, CAPTIONS_ON_MINI, planned_captions, rows_of
from obclip_cli.reproduction.scoreboard import (
    CACHE,
    Board,
    Row,
    baseline_rows,
    measure,
    paper_cache,
    what_is_missing,
)
from obclip_cli.reproduction.switch_points import SHIFT, SWITCH_POINT, default_split, paper_settings
from obclip_cli.reproduction.verdicts import costs_little, has_least_fid, lies_between_the_ends

TITLE = "Table 4: SDXL with KOALA-700M, and a cloud with a schedule of its own"
NAMES = {"shared": CAPTIONS, "own": "table4-own-schedule"}
SHIFTS = (SHIFT, 10, 4, 0)
KEYS = ["schedule", "method", "k", "acceleration", "timestep_shift"]
COSTS = ["cloud_tmac_per_candidate", "device_tmac", "cloud_seconds"]
SCORES = ["fid", "is", "clip"]


def overrides(pair: str) -> list[str]:
    """The pair's captions; for LCM-SDXL the paper's switch point too."""
    return [*captions(pair, limit_on_mini=CAPTIONS_ON_MINI), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """The run that Tables 3, 4 and 5 share, and the cloud on a schedule of its own."""
    own = own_schedule(config)
    return [planned_captions(shared_schedule(config)), Planned(own, [row.run for row in own_rows(own)])]


def shared_rows(config: Config) -> list[Row]:
    """Both models on one schedule."""
    return rows_of(config, ("", CACHE))


def own_rows(config: Config) -> list[Row]:
    """The cloud on a schedule of its own: alone, and handing over at every shift that the device's schedule has."""
    k = SWITCH_POINT
    settings = [("", SHIFT), *((CACHE, shift) for shift in SHIFTS)]
    hybrids = [
        Row("ObCLIP", k, acceleration, _shifted(acceleration, shift))
        for acceleration, shift in settings
        if k + shift <= config.hybrid.steps
    ]
    return [baseline_rows(config)[0], *hybrids]


def _shifted(acceleration: str, shift: int) -> Method:
    """Run in the clear, as Hybrid SD: a served set of all candidates takes N times as long for the same image."""
    k = SWITCH_POINT
    cache = paper_cache("paper_lcm", k, acceleration)
    name = ", ".join(filter(None, ["ObCLIP", f"k={k}", acceleration, f"dt={shift}"]))
    return Method(name, "server_first", k, cache=cache, timestep_shift=shift)


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `table4.csv`, `.md`, `.tex`, `.png` and the two runs behind them; return what they show."""
    settings = {"shared": shared_schedule(config), "own": own_schedule(config)}
    rows = {"shared": shared_rows(settings["shared"]), "own": own_rows(settings["own"])}
    boards = {
        name: measure(setting, rows[name], folder, progress, name=NAMES[name], candidates=1)
        for name, setting in settings.items()
    }
    table = side_by_side(boards, rows)
    caption = described(settings, boards)
    write_table(table, folder / "table4", caption=caption)
    stored = pd.read_csv(folder / "table4.csv")
    plot_bars(_panels(stored, config.pair.name), folder / "table4.png", title=TITLE)
    return f"{caption}\n\n{finding(stored)}"


def side_by_side(boards: dict[str, Board], rows: dict[str, list[Row]]) -> pd.DataFrame:
    """Our rows of both settings, the paper's beside them, and HE-Diffusion as the paper quotes it in Table 2."""
    parts = []
    for name, board in boards.items():
        shifts = [row.run.timestep_shift if name == "own" and row.k else None for row in rows[name]]
        parts.append(board.table.assign(schedule=name, timestep_shift=pd.array(shifts, dtype="Int64")))
    ours = pd.concat(parts, ignore_index=True).rename(columns={"cloud_tmac": COSTS[0]})
    ends = [f"{score}_{end}" for score in SCORES for end in ("low", "high")]
    both = beside(ours.reindex(columns=[*KEYS, *COSTS, *SCORES, *ends]), _quoted(), on=KEYS)
    encrypted = paper_table(2).query("method == 'HE-Diffusion'").iloc[0]
    row = {"schedule": "quoted", "method": encrypted["method"], f"cloud_seconds{PAPER}": encrypted["cloud_latency_s"]}
    return pd.concat([both, pd.DataFrame([row])], ignore_index=True)


def _quoted() -> pd.DataFrame:
    """The paper's table under our keys; it prints the device's cost in the cloud's column."""
    paper = paper_table(4)
    alone = paper["method"] == "device-only"
    paper["device_tmac"] = paper[COSTS[0]].where(alone)
    paper[COSTS[0]] = paper[COSTS[0]].mask(alone, 0)
    paper["schedule"] = paper["cloud"].map(lambda cloud: "own" if cloud == "lcm-sdxl" else "shared")
    paper["timestep_shift"] = paper["timestep_shift"].astype("Int64")
    return paper.drop(columns=["cloud", "device"])


def described(settings: dict[str, Config], boards: dict[str, Board]) -> str:
    """The caption: what was run, and where each column comes from."""
    own = settings["own"]
    is_lcm = own.pair.name == LCM_PAIR
    cloud = "LCM-SDXL" if is_lcm else "the same cloud with DPM-Solver, an analogue of LCM-SDXL"
    passes = " The paper counts two passes a step for LCM-SDXL; with its guidance embedding it needs one, our count."
    return (
        f"{TITLE}. Schedule `shared`: pair {settings['shared'].pair.name}, {own.hybrid.steps} steps for both models; "
        f"`own`: {cloud}, at {own.pair.cloud.steps} steps of its own, of which it runs k; the device goes on from step "
        f"k + timestep_shift of {own.hybrid.steps}. Where no maps are shared a candidate's image does not depend on "
        "the others, so the rows of schedule `own` are run in the clear, as Hybrid SD. T multiply-accumulates: counted "
        "on the architectures by the paper's convention, the cloud's for one candidate (N cost N times as much)."
        f"{passes if is_lcm else ''} Columns `{PAPER}`: as printed, SDXL or LCM-SDXL with KOALA-700M on MJHQ; "
        "HE-Diffusion's seconds are quoted from the paper's Table 2. "
        f"{_measured(settings, boards)} Runs: {', '.join(f'runs/{board.run.name}' for board in boards.values())}."
    )


def _measured(settings: dict[str, Config], boards: dict[str, Board]) -> str:
    """Where scores and seconds come from, or why there are none."""
    parts = []
    for name, board in boards.items():
        if board.missing:
            parts.append(f"No scores or seconds of schedule `{name}`: {board.missing}.")
        elif not parts:  # the settings share their dataset, judge and machine
            scores = scored_by(settings[name], board.run)
            parts.append(f"{scores} Seconds: the cloud's part for one candidate, on {measured_on(board.run)}.")
    if settings["own"].pair.name != LCM_PAIR:
        parts.append("Scores of this pair show trends only and are not comparable with the paper's.")
    return " ".join(parts)


def _panels(table: pd.DataFrame, pair: str) -> dict[str, pd.DataFrame]:
    """FIDs of the rows that either has, ours with intervals."""
    shown = table[table["fid"].notna() | table[f"fid{PAPER}"].notna()]
    named = shown.set_index(pd.Index([_named(row) for row in shown.to_dict("records")]))
    ours = named[["fid", "fid_low", "fid_high"]].rename(columns=lambda name: name.replace("fid", "FID"))
    return {f"FID on pair {pair} ↓": ours, "the paper's FID ↓": named[[f"fid{PAPER}"]]}


def _named(row: Mapping[Any, Any]) -> str:
    """A row in few words."""
    k = "" if pd.isna(row["k"]) else f"k={row['k']:.0f}"
    shift = "" if pd.isna(row["timestep_shift"]) else f"dt={row['timestep_shift']:.0f}"
    acceleration = "" if pd.isna(row["acceleration"]) else str(row["acceleration"])
    name = ", ".join(filter(None, [str(row["method"]), k, acceleration, shift]))
    return f"{name} (own schedule)" if row["schedule"] == "own" else name


def shifted_fids(table: pd.DataFrame, column: str) -> pd.Series:
    """FID by shift of the rows with cache."""
    rows = table[(table["schedule"] == "own") & (table["acceleration"] == CACHE)]
    return rows.set_index(rows["timestep_shift"].astype(int))[column].dropna()


def finding(table: pd.DataFrame) -> str:
    """What the table shows, in words computed from it."""
    paper, ours = shifted_fids(table, f"fid{PAPER}"), shifted_fids(table, "fid")
    best = f"In the paper dt = {paper.idxmin()} has the lowest FID of the shifts ({_listed(paper)})"
    parts = [f"{best}; on this pair dt = {ours.idxmin()} has ({_listed(ours)})." if len(ours) else f"{best}."]
    rows = table[table["schedule"] == "shared"]
    whole = float(rows.loc[rows["method"] == "cloud-only", COSTS[0]].iloc[0])
    for k, found in rows[rows["method"] == "ObCLIP"].groupby("k"):
        plain, cached = (found[found["acceleration"].fillna("") == name].iloc[0] for name in ("", CACHE))
        change, quoted = (cached[column] - plain[column] for column in ("fid", f"fid{PAPER}"))
        here = "" if pd.isna(change) else f"{change:+.3g} here and "
        parts.append(
            f"At k = {k:.0f} a candidate costs {plain[COSTS[0]] / whole:.1%} of the cloud alone, with cache "
            f"{cached[COSTS[0]] / whole:.1%}; the cache changes the FID by {here}{quoted:+.2f} in the paper."
        )
    return " ".join(parts)


def _listed(fids: pd.Series) -> str:
    return ", ".join(f"{shift}: {fid:.4g}" for shift, fid in fids.sort_index().items())


def claims(config: Config, folder: Path) -> list[Claim]:
    """The three findings of the docstring, from `table4.csv` and the runs behind it."""
    table = pd.read_csv(folder / "table4.csv")
    runs = {
        "shared": _run(shared_schedule(config), shared_rows, folder, "shared"),
        "own": _run(own_schedule(config), own_rows, folder, "own"),
    }
    return [
        _shift_claim(table, runs["own"], own_schedule(config)),
        _cache_claim(table, runs["shared"], shared_schedule(config)),
        _between_claim(table, runs["shared"], shared_schedule(config)),
    ]


def _run(config: Config, rows: Callable[[Config], list[Row]], folder: Path, name: str) -> Path:
    return run_of(config, [row.run for row in rows(config)], folder, name=NAMES[name])


def _shift_claim(table: pd.DataFrame, run: Path, config: Config) -> Claim:
    ours = shifted_fids(table, "fid")
    verdict = untested(what_is_missing(config) or "this schedule has too few steps for the shifts")
    others = [_shifted(CACHE, shift).name for shift in SHIFTS if shift in ours.index and shift != SHIFT]
    if is_scored(run) and SHIFT in ours.index and others:
        verdict = has_least_fid(run, _shifted(CACHE, SHIFT).name, others)
    return Claim(
        f"Behind a cloud with a schedule of its own the device begins best at t_device = t_cloud + {SHIFT}",
        "Table 4, Section 5.3",
        f"FID by dt: {_listed(shifted_fids(table, f'fid{PAPER}'))}",
        f"FID by dt: {_listed(ours)}" if len(ours) else "",
        verdict,
    )


def _cache_claim(table: pd.DataFrame, run: Path, config: Config) -> Claim:
    points = _switch_points(config)
    return Claim(
        "The attention cache costs SDXL little FID: less than one fifth of the gap between both models alone",
        "Table 4",
        _rises(table, PAPER),
        _rises(table, ""),
        all_of([costs_little(run, f"ObCLIP, k={k}, {CACHE}", f"ObCLIP, k={k}", f"k={k}") for k in points])
        if is_scored(run) and points
        else _untested(config),
    )


def _between_claim(table: pd.DataFrame, run: Path, config: Config) -> Claim:
    hybrids = [f"ObCLIP, k={k}" for k in _switch_points(config)]
    return Claim(
        "The hybrid lies between both models alone",
        "Table 4",
        _order(table, PAPER),
        _order(table, ""),
        lies_between_the_ends(run, hybrids) if is_scored(run) and hybrids else _untested(config),
    )


def _untested(config: Config) -> Verdict:
    return untested(what_is_missing(config) or "no switch point of the paper lies in this schedule")


def _switch_points(config: Config) -> list[int]:
    return [k for k, _ in paper_settings(config)]


def _rises(table: pd.DataFrame, suffix: str) -> str:
    """How much the cache raises the FID at each k, and the gap between the ends; empty without scores."""
    rows = table[(table["schedule"] == "shared") & table[f"fid{suffix}"].notna()].fillna({"acceleration": ""})
    if rows.empty:
        return ""
    wide = rows[rows["method"] == "ObCLIP"].pivot(index="k", columns="acceleration", values=f"fid{suffix}")
    rises = "; ".join(f"k={k:.0f}: {rise:+.3g}" for k, rise in (wide[CACHE] - wide[""]).items())
    ends = rows[rows["k"].isna()].set_index("method")[f"fid{suffix}"]
    return f"FID rise {rises}; gap {ends['device-only'] - ends['cloud-only']:+.3g}"


def _order(table: pd.DataFrame, suffix: str) -> str:
    """FIDs of the ends and of the hybrids without cache."""
    rows = table[(table["schedule"] == "shared") & table["acceleration"].fillna("").eq("")]
    rows = rows[rows["method"].isin(("cloud-only", "ObCLIP", "device-only")) & rows[f"fid{suffix}"].notna()]
    return ", ".join(f"{_named(row)}: {row[f'fid{suffix}']:.4g}" for row in rows.to_dict("records"))
