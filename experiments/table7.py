"""Table 7 (arXiv 2510.04153): what the cloud computes and how long it takes for N = 4 and 6 candidates, k = 5 and 10.

What decides: (1) the measured speed-up over vanilla OG at the largest N for every k, against the least that the paper's
latencies give there; its range is that of the rounds, in which all rows are timed in turn. (2) Multiply-accumulates,
which are exact: those of ObCLIP grow as N without reuse and by less with it.
"""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import rows_of, settings_of
from obclip_cli.evaluation.methods import CLOUD_ONLY, HYBRID_SD, OBCLIP, VANILLA, Method
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.beside_speed import with_fidelity
from obclip_cli.reproduction.claims import Claim, above, all_of, exactly, untested
from obclip_cli.reproduction.experiment import run_folder, what_is_missing, write_results
from obclip_cli.reproduction.paper import PAPER, beside, paper_table
from obclip_cli.reproduction.paper_costs import cells_of
from obclip_cli.reproduction.score_table import costs
from obclip_cli.reproduction.timing import Part, seconds_of
from obclip_cli.runs import read_table

KEYS = ["pair", "method", "k", "N"]
BEST, TOTAL = f"{OBCLIP}+cache+reuse", "total with device"
GROWING = (OBCLIP, f"{OBCLIP}+cache", BEST)
DEVICE = "device after k={}"
METHODS = (CLOUD_ONLY, HYBRID_SD, VANILLA, *GROWING, TOTAL)
OURS = {"thin_k10": 10, "thin_k5": 5, "trunk_k5": 5}  # and the k of each
MEASURED = [f"{column}{end}" for column in ("seconds", "speedup_measured") for end in ("", "_low", "_high")]
COLUMNS = ["tmac", *MEASURED[:3], "speedup_by_macs", *MEASURED[3:]]
EXACT = 1e-3  # relative; counts are stored with five digits
TOO_SHORT = untested("no switch point of the paper lies in this schedule")


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the table, bars and the run behind them; return the caption."""
    rounds, missing = settings_of(config)["rounds"], what_is_missing(config)
    run = run_folder(config, folder, settings_of(config)["candidates"], rounds)
    if not runs.is_finished(run, config):
        runs.start(run, config)
        if not missing:
            measured = seconds_of(config, parts(config), rounds, progress)
            runs.write_text(run / "latency.csv", measured.to_csv(index=False))
        runs.mark_finished(run, config)
    table = side_by_side(config, None if missing else read_table(run / "latency.csv"))
    table, said = with_fidelity(table, folder, config.pair, table["pair"] == name_of(config))
    caption = write_results(config, folder, table, run, missing and f"No seconds of ours: {missing}.", said)
    title = f"{settings_of(config)['title']}, against vanilla OG (%) ↓"
    plot_bars(_panels(read_table(folder / "table7.csv")), folder / "table7.png", title=title)
    return caption


def printed(config: Config) -> list[tuple[str, int, int, Method]]:
    """The rows as the paper prints them: method, k, N, and what is run for it."""
    rows = rows_of(config, settings_of(config)["timed"])
    known = {(row.name.replace(", ", "+"), row.k): row.run for row in rows}
    points = sorted({row.k for row in rows if row.k is not None})
    counts = settings_of(config)["candidates"]
    ours = [(name, k, n, _preset(config, name, k)) for name, k in OURS.items() if k in points for n in counts]
    return [
        (method, k, n, known.get((name, k)) or known[name, None])
        for method, k, n in product(METHODS, points, settings_of(config)["candidates"])
        for name in [BEST if method == TOTAL else method]
    ] + ours


def _preset(config: Config, name: str, k: int) -> Method:
    """A preset of ours, without the exact shared first step, which the paper's rows do not have either."""
    one = compose_config([f"cache={name}", f"hybrid.steps={config.hybrid.steps}"])
    cache, shift = replace(one.cache, shared_first_step=False), config.hybrid.timestep_shift
    return Method(f"{name}, k={k}", "server_first", k, True, cache, "restart", shift, one.hybrid.cloud_steps)


def parts(config: Config) -> list[Part]:
    """All that is timed: every method, at every N where its time depends on N, and the device's steps after every k."""
    found: dict[tuple[str, int], Part] = {}
    for method, k, n, run in printed(config):
        count = n if run.hidden else 1
        found[run.name, count] = Part.of(config, run, "cloud", count)
        if method == TOTAL:
            found[DEVICE.format(k), 1] = replace(Part.of(config, run, "device", 1), name=DEVICE.format(k))
    return list(found.values())


def side_by_side(config: Config, times: pd.DataFrame | None) -> pd.DataFrame:
    """The configured pair's rows and the paper's, counted by us, with the paper's figures beside them."""
    paper = paper_table(7).rename(columns={"latency_s": "seconds"})
    ours = paper[KEYS].assign(tmac=[cell.ours for cell in cells_of(7)])
    own = own_rows(config, times)
    if own["pair"].isin(paper["pair"]).all():
        more = own[~own["method"].isin(paper["method"])]
        ours = pd.concat([more, ours.merge(own.drop(columns="tmac"), on=KEYS, how="left")], ignore_index=True)
    else:
        ours = pd.concat([own, ours], ignore_index=True)
    both = beside(ours, paper, on=KEYS)
    both["speedup_by_macs"] = over_vanilla(both, "tmac")
    both[f"speedup_by_macs{PAPER}"] = over_vanilla(both, f"tmac{PAPER}")
    both[f"speedup_measured{PAPER}"] = over_vanilla(both, f"seconds{PAPER}")
    both["tmac"] = both["tmac"].map(lambda value: float(f"{value:.5g}"))
    ratios = [column for column in both.columns if column.startswith("speedup")]
    both[ratios] = both[ratios].round(3)
    quoted = [f"{name}{PAPER}" for name in ("tmac", "seconds", "speedup_by_macs", "speedup_measured")]
    return both[[*KEYS, *COLUMNS, *quoted]]


def own_rows(config: Config, times: pd.DataFrame | None) -> pd.DataFrame:
    """The pair's rows in the paper's order: counted, and where timed with median, least and most over the rounds."""
    by_round = None if times is None else times.pivot(index="round", columns=["part", "n"], values="seconds")
    found: list[dict[str, Any]] = []
    for method, k, n, run in printed(config):
        counted, count = costs(config, run, n), n if run.hidden else 1
        tmac = counted["cloud_tmac"] + (counted["device_tmac"] if method == TOTAL else 0)
        row = {"pair": name_of(config), "method": method, "k": k, "N": n, "tmac": tmac}
        if by_round is not None:
            seconds = by_round[run.name, count] + (by_round[DEVICE.format(k), 1] if method == TOTAL else 0)
            series = seconds, by_round[VANILLA, n] / seconds
            values = [value for each in series for value in (each.median(), each.min(), each.max())]
            row |= {name: float(f"{value:.5g}") for name, value in zip(MEASURED, values, strict=True)}
        found.append(row)
    return pd.DataFrame(found, columns=[*KEYS, "tmac", *MEASURED]).astype(
        {"k": "Int64", **dict.fromkeys(MEASURED, float)}
    )


def name_of(config: Config) -> str:
    """The pair under the paper's name, where it has one."""
    return settings_of(config)["pairs"].get(config.pair.name, config.pair.name)


def over_vanilla(table: pd.DataFrame, column: str) -> pd.Series:
    """Vanilla OG's figure over each row's, for the same pair, k and N."""
    place = ["pair", "k", "N"]
    whole = table[table["method"] == VANILLA].set_index(place)[column]
    keys = pd.MultiIndex.from_frame(table[place])
    return pd.Series(whole.reindex(keys).to_numpy(dtype=float) / table[column].to_numpy(dtype=float), table.index)


def _panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Each k at the largest N: cost and seconds in % of vanilla OG's, the first pair's and the paper's of one pair."""
    own, quoted = table["pair"].iloc[0], table.dropna(subset=[f"tmac{PAPER}"])["pair"].iloc[0]
    series = {
        f"{own}: multiply-accumulates": (own, "speedup_by_macs"),
        f"{own}: seconds": (own, "speedup_measured"),
        f"paper, {quoted}: FLOPs": (quoted, f"speedup_by_macs{PAPER}"),
        f"paper, {quoted}: seconds": (quoted, f"speedup_measured{PAPER}"),
    }
    panels, ratios = {}, list({column for _, column in series.values()})
    shown = [*METHODS, *(name for name in OURS if name in set(table["method"]))]
    for (k, n), rows in table[table["N"] == table["N"].max()].groupby(["k", "N"]):
        shares = 100 / rows.pivot(index="method", columns="pair", values=ratios).reindex(shown)
        panels[f"k = {k}, N = {n}"] = pd.DataFrame(
            {label: shares[name, pair] for label, (pair, name) in series.items()}
        )
    return panels


def claims(config: Config, folder: Path) -> list[Claim]:
    """Both claims of the docstring, from `table7.csv`."""
    table = read_table(folder / "table7.csv")
    return [_speed(table, config), _growth(table, config)]


def _speed(table: pd.DataFrame, config: Config) -> Claim:
    rows = table[(table["method"] == BEST) & (table["N"] == table["N"].max())]
    quoted = rows.dropna(subset=[f"speedup_measured{PAPER}"])
    own = rows[rows["pair"] == name_of(config)]
    least = float(quoted[f"speedup_measured{PAPER}"].min())
    verdicts = [
        above(Estimate(*(row[name] for name in MEASURED[3:])), least, f"k={row['k']}: measured speed-up")
        for row in own.dropna(subset=MEASURED[3:]).to_dict("records")
    ]
    missing = untested(what_is_missing(config) or TOO_SHORT.why)
    return Claim(
        f"ObCLIP with cache and reuse is 4.4 to 7.6 times faster than vanilla OG (N = {table['N'].max()})",
        "Tables 2 and 7",
        "; ".join(
            f"{row['pair']}, k = {row['k']}: {row[f'speedup_measured{PAPER}']:.2f} by its latencies, "
            f"{row[f'speedup_by_macs{PAPER}']:.2f} by its FLOPs"
            for row in quoted.to_dict("records")
        ),
        "; ".join(f"k={row['k']}: {row['speedup_by_macs']:.2f} by MACs" for row in own.to_dict("records")),
        all_of(verdicts) if len(verdicts) == len(own) > 0 else missing,
    )


def _growth(table: pd.DataFrame, config: Config) -> Claim:
    linear = table["N"].max() / table["N"].min()
    verdicts = []
    for method, k, ratio in (ours := growth(table, name_of(config), "tmac")):
        holds = ratio < linear * (1 - EXACT) if method == BEST else abs(ratio / linear - 1) < EXACT
        verdicts.append(exactly(holds, f"{method}, k={k}: x{ratio:.4g}, N x{linear:g}"))
    quoted = table.dropna(subset=[f"tmac{PAPER}"])["pair"].iloc[0]
    there, here = (
        "; ".join(f"{method}, k={k}: x{ratio:.4g}" for method, k, ratio in found)
        for found in (growth(table, quoted, f"tmac{PAPER}"), ours)
    )
    text = "Cost grows linearly with N without reuse, and slower with it"
    return Claim(text, "Table 7", there, here, all_of(verdicts) if verdicts else TOO_SHORT)


def growth(table: pd.DataFrame, pair: str, column: str) -> list[tuple[str, int, float]]:
    """ObCLIP's methods, k, and how many times more the largest N costs than the smallest."""
    rows = table[(table["pair"] == pair) & table["method"].isin(GROWING)]
    wide = rows.pivot(index=["method", "k"], columns="N", values=column).dropna()
    if wide.empty:
        return []
    ratios = (wide[wide.columns.max()] / wide[wide.columns.min()]).reset_index(name="ratio")
    return [(row["method"], row["k"], row["ratio"]) for row in ratios.to_dict("records")]
