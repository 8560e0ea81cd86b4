"""Cost against fidelity: every acceleration, larger steps, a shared trunk, and what others have published.

What decides the claims, by paired 95 % intervals over prompts: (1) a preset is on the front of its k and guidance scale
where no method that has all prompts costs no more and has a lower distance; (2) to keep attributes is to lose less than
two points of images with gender and tone right; (3) presets are what the stated rule picks, at the guidance scale at
which all images are made, on prompts that are none of the dataset's; (4) seconds keep what multiply-accumulates promise
where they take at most a tenth more.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.evaluation.methods import GENERALISE, Method
from obclip_cli.metrics.intervals import Estimate, of_mean, of_share
from obclip_cli.report.pareto_plot import FAMILIES, front, plot_growth, plot_pareto
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction import peers
from obclip_cli.reproduction.claims import Claim, Verdict, above, all_of, below, exactly, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.fidelity import BOTH, MANY, OWN, UNCACHED, Bench, Part, judge
from obclip_cli.reproduction.part_costs import growth, make_all, shares_of_macs, shares_of_seconds
from obclip_cli.reproduction.score_table import interval_columns
from obclip_cli.runs import read_table

PAPER = "paper's caches"
WHOLE = "whole"
POINTS, LOST, SLOWER = -0.02, -0.1, 1.1
CHOICE = ["guidance", "k", "name"]
SCORES = ("distance", "ssim", "both", "gender", "tone", "role_top3")
NONE_QUOTED = "no figures to quote"


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the table, both plots and the run behind them; return the caption.

    Raises:
        UserError: weights, data or another's package are missing.
    """
    pairs.require(config.pair)
    wanted, parts, run = settings_of(config), parts_of(config), run_of(config, folder)
    if not runs.is_finished(run, config):
        peers.check_installed(wanted["peers"])
        bench = Bench(config, run)
        runs.start(run, config)
        make_all(config, run, parts, wanted["counted_for"], wanted["rounds"], progress)
        judge(bench, parts, progress)
        grown = growth(bench, growing(config), wanted["growth"]["candidates"], progress)
        runs.write_text(run / "growth.csv", grown.to_csv(index=False))
        runs.mark_finished(run, config)
    caption = write_results(config, folder, summary(config, run, parts), run)
    grown = read_table(run / "growth.csv")
    write_table(marginal(grown), folder / "pareto_growth", caption=f"What a candidate more costs the cloud. {caption}")
    shares = by_group(config, read_table(run / "results.csv"))
    write_table(
        shares, folder / "pareto_groups", caption=f"Images with the right attribute, by what was asked. {caption}"
    )
    table = read_table(folder / "pareto.csv")
    plot_pareto(table, folder / "pareto.png", title=wanted["title"])
    own = (table["guidance"] == wanted["images_at"]) & (table["k"] < config.cloud_steps)
    plot_pareto(table[own], folder / "pareto_front.png", title=wanted["title"])
    plot_growth(grown, folder / "pareto_growth.png")
    return caption


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other methods or numbers of prompts are another run."""
    told = ("methods", "points", "guidance", "few", "choice", "peers", "growth", "counted_for", "rounds")
    return run_folder(config, folder, *(settings_of(config)[key] for key in told))


def parts_of(config: Config) -> list[Part]:
    """All parts of the table, and those on which presets were chosen."""
    wanted, points, found = settings_of(config), points_of(config), []
    for guidance in wanted["guidance"]:
        for name, said in wanted["methods"].items():
            for point in [point for point in said.get("k", wanted["points"]) if point in points]:
                k, known = points[point], said.get("peer", OWN) in (OWN, *wanted["peers"])
                run = guidance == wanted["images_at"] or (point != WHOLE and guidance in said.get("at", [guidance]))
                if known and run and _fits(said, k, config):
                    few = said.get("few", wanted["few"])
                    count = said.get("most", 1 << 30) if guidance in said.get("sure", {}).get(point, ()) else few
                    images = said.get("images", count) if guidance == wanted["images_at"] else few
                    found.append(_part(config, name, k, guidance, count, min(count, images)))
    return list({part.stem: part for part in [*found, *_tried(config)]}.values())


def _tried(config: Config) -> Iterator[Part]:
    """What presets are chosen among, at every guidance scale, on prompts that are none of the table's."""
    choice, points = settings_of(config)["choice"], points_of(config)
    for guidance, count in choice["prompts"].items():
        for k, names in choice["presets"].values():
            for name in (UNCACHED, *names) if k in points and guidance in settings_of(config)["guidance"] else ():
                if _fits(settings_of(config)["methods"][name], k, config):
                    yield replace(_part(config, name, k, guidance, count, count), others=True)


def points_of(config: Config) -> dict[str | int, int]:
    """What stands under `k` -> the switch point that it is in the pair's schedule.

    A cloud with a schedule of its own has the configured one in the place of the first.
    """
    whole, first = config.cloud_steps, settings_of(config)["points"][0]
    if config.pair.cloud.steps is not None:
        return {first: config.hybrid.switch_point, WHOLE: whole}
    return {p: whole if p == WHOLE else p for p in settings_of(config)["points"] if p == WHOLE or p < whole}


def _fits(said: dict[str, Any], k: int, config: Config) -> bool:
    """Whether there are as many steps as a method names."""
    rooms = {"hybrid.cloud_steps": k, "cache.trunk": k, "hybrid.device_steps": config.hybrid.steps - k}
    named = (override.split("=") for override in said.get("set", []))
    return all(int(value) <= rooms[key] for key, value in named if key in rooms)


def _part(config: Config, name: str, k: int, guidance: float, count: int, images: int) -> Part:
    said = settings_of(config)["methods"][name]
    typed = [f"hybrid.steps={config.hybrid.steps}", f"hybrid.switch_point={k}", *said.get("set", [])]
    one, hidden, peer = compose_config(typed), name != GENERALISE, said.get("peer", OWN)
    # The exact first step is left out: all methods can have it, and it changes no image.
    cache = replace(one.cache, shared_first_step=False)
    thinned = {"cloud_steps": one.hybrid.cloud_steps, "device_steps": one.hybrid.device_steps}
    shift = config.hybrid.timestep_shift if k < config.cloud_steps else 0
    method = Method(f"{name}, k={k}", "server_first", k, hidden, cache, "restart", shift, general=not hidden, **thinned)
    told = {key: max(1, k // 2) if value == "half" else value for key, value in said.get("settings", {}).items()}
    return Part(name, guidance, method, count, images, said["family"], peer, told)


def growing(config: Config) -> list[Part]:
    """The unaccelerated cloud's part, the paper's presets and ours, by the names that a user types."""
    found = []
    for preset, point in settings_of(config)["growth"]["presets"]:
        if (k := config.cloud_steps if point == WHOLE else point) >= config.cloud_steps and point != WHOLE:
            continue
        one = compose_config([f"hybrid.steps={config.hybrid.steps}", f"cache={preset}", f"hybrid.switch_point={k}"])
        method = Method(preset, "server_first", k, True, one.cache, cloud_steps=one.hybrid.cloud_steps)
        label = f"vanilla OG, all {k} steps" if point == WHOLE else f"ObCLIP, k={k}"
        found.append(Part(label if preset == "none" else preset, config.pair.guidance_scale, method, 0, 0, ""))
    return found


def marginal(grown: pd.DataFrame) -> pd.DataFrame:
    """Rows and seconds at the smallest and largest N, and of a candidate more between them."""
    ends = grown["n"].min(), grown["n"].max()
    table = pd.DataFrame({"method": grown["method"].unique()})
    for column in ("rows", "seconds"):
        wide = grown.pivot(index="method", columns="n", values=column).loc[table["method"]]
        for n in ends:
            table[f"{column}_N{n}"] = wide[n].to_numpy()
        table[f"{column}_a_candidate"] = (
            ((wide[ends[1]] - wide[ends[0]]) / max(1, ends[1] - ends[0])).round(4).to_numpy()
        )
    return table


def summary(config: Config, run: Path, parts: list[Part]) -> pd.DataFrame:
    """One row a method, k and guidance scale."""
    results, fids = read_table(run / "results.csv"), runs.read_json(run / "metrics.json")
    groups = list(dict.fromkeys(part.peer for part in parts))
    macs = shares_of_macs(run, groups).set_index(["k", "name"])["share"]
    seconds = shares_of_seconds(run, groups).groupby(["k", "name"])["share"].agg(["median", "min", "max"])
    rows = []
    for part in [part for part in parts if not part.others]:
        found, place = results[results["part"] == part.stem], (part.k, part.name)
        row: dict[str, Any] = {
            "pair": config.pair.name,
            "k": part.k,
            "guidance": part.guidance,
            "method": part.name,
            "family": part.family,
        }
        row |= {"n": len(found), "images": int(found["ssim"].notna().sum()), "macs": round(float(macs[place]), 4)}
        timed = (1.0, 1.0, 1.0) if part.name == UNCACHED else np.round(np.asarray(seconds.loc[place], dtype=float), 4)
        row |= dict(zip(("seconds", "seconds_low", "seconds_high"), timed, strict=True))
        for score in SCORES:
            if score in found and found[score].notna().any():
                row |= interval_columns(score, _estimate(found[score]))
        if fid := fids.get(part.stem):
            row |= interval_columns("fid", Estimate(fid["value"], fid["low"], fid["high"]))
        rows.append(row)
    table = pd.DataFrame(rows)
    for _, some in table.groupby(["k", "guidance"]):
        compared = some[some["family"].isin(FAMILIES)]
        table.loc[compared.index, "on_front"] = front(compared)
    return table.assign(on_front=table["on_front"].eq(True))


def by_group(config: Config, results: pd.DataFrame) -> pd.DataFrame:
    """Shares of images with the right gender and tone, by what the prompt asks for, where a method has many images."""
    found = []
    for (k, guidance, name), rows in results[~results["others"]].groupby(["k", "guidance", "name"], sort=False):
        row: dict[str, Any] = {"pair": config.pair.name, "k": k, "guidance": guidance, "method": name}
        row["images"] = int(rows["ssim"].notna().sum())
        for attribute in [attribute for attribute in BOTH if f"{attribute}_asked" in rows]:
            for asked, some in rows.dropna(subset=[attribute]).groupby(f"{attribute}_asked"):
                row |= interval_columns(f"{attribute}: {asked}", of_share(some[attribute].to_numpy(dtype=float)))
        found.append(row)
    table = pd.DataFrame(found)
    return table[table["images"] >= min(MANY, table["images"].max())].dropna(axis="columns", how="all")


def _estimate(values: pd.Series) -> Estimate:
    each = values.to_numpy(dtype=float)
    continuous = values.name in ("distance", "ssim")
    return of_mean(each, np.random.default_rng(0)) if continuous else of_share(each)


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, from `pareto.csv` and its run."""
    table, results = read_table(folder / "pareto.csv"), read_table(run_of(config, folder) / "results.csv")
    return [
        *(_on_front(table, results, k) for k in sorted({*table["k"]} - {config.cloud_steps}, reverse=True)),
        *_attributes(table, results, config),
        _chosen(config, results),
        _seconds(table),
    ]


def paired(results: pd.DataFrame, score: str, k: int, guidance: float, method: str, than: str) -> Estimate:
    """`score` of a method minus that of another, over the prompts that both have."""
    rows = results[(results["k"] == k) & (results["guidance"] == guidance) & ~results["others"]]
    values = {name: found.set_index("seed")[score] for name, found in rows.groupby("name")}
    return of_mean((values[method] - values[than]).dropna().to_numpy(dtype=float), np.random.default_rng(0))


def _on_front(table: pd.DataFrame, results: pd.DataFrame, k: int) -> Claim:
    verdicts, ours = [], []
    for guidance, rows in table[(table["k"] == k) & table["family"].isin(FAMILIES)].groupby("guidance"):
        known, guidance = rows[rows["n"] == table["n"].max()].set_index("method"), float(str(guidance))
        if PAPER not in known.index:
            continue
        cheaper = known[(known["macs"] <= known.loc[PAPER, "macs"]) & (known.index != PAPER)]
        found = {name: paired(results, "distance", k, guidance, PAPER, name) for name in cheaper.index}
        for name, difference in sorted(found.items(), key=lambda item: -item[1].low)[:1]:
            what = f"guidance {guidance:g}: distance of {PAPER} minus that of {name}, n={int(known.loc[PAPER, 'n'])},"
            verdicts.append(below(difference, 0.0, what))
        paper = known.loc[PAPER]
        ours.append(f"guidance {guidance:g}: {paper['macs']:.2f} of the cost, distance {paper['distance']:.3g}")
    return Claim(
        f"At k = {k} the paper's caches are on the front: what costs no more is farther from the unaccelerated latent.",
        "ours; the paper compares no other acceleration",
        NONE_QUOTED,
        "; ".join(ours),
        all_of(verdicts) if verdicts else untested("nothing to compare with"),
    )


def _attributes(table: pd.DataFrame, results: pd.DataFrame, config: Config) -> Iterator[Claim]:
    at = settings_of(config)["images_at"]
    many = table[(table["guidance"] == at) & (table["images"] == table["images"].max())]
    if "both" not in results or not results["both"].notna().any():
        return

    def held(family: tuple[str, ...], limit: float, *, keeps: bool) -> Verdict:
        rows = many[many["family"].isin(family)]
        verdicts = []
        for row in rows.to_dict("records"):
            found = paired(results, "both", row["k"], at, row["method"], UNCACHED)
            what = f"{row['method']}, k={row['k']}: gender and tone right less unaccelerated, n={row['images']},"
            verdicts.append((above if keeps else below)(found, limit, what))
        return all_of(verdicts) if verdicts else untested("none has all images")

    text = "Larger steps and a trunk of one lose less than two points of images with gender and tone right."
    yield Claim(text, "ours", NONE_QUOTED, f"guidance {at:g}", held(("thin", "trunk"), POINTS, keeps=True))
    text = "A prompt without attributes, and no candidates, loses more than ten points."
    yield Claim(text, "ours", NONE_QUOTED, f"guidance {at:g}", held((GENERALISE,), LOST, keeps=False))


def picked(tried: dict[str, Estimate], limit: float) -> str | None:
    """The rule that presets follow: of methods with ever fewer rows, the last whose whole interval is above a limit."""
    passed = [name for name, ssim in tried.items() if ssim.low > limit]
    return passed[-1] if passed else None


def _chosen(config: Config, results: pd.DataFrame) -> Claim:
    """What the rule picks at each guidance scale; that of `images_at` decides."""
    choice, verdicts, ours = settings_of(config)["choice"], [], []
    scores = {place: _estimate(rows["ssim"]) for place, rows in results[results["others"]].groupby(CHOICE)}
    for guidance, (preset, (k, names)) in product(choice["prompts"], choice["presets"].items()):
        tried = {name: scores[guidance, k, name] for name in names if (guidance, k, name) in scores}
        if not tried:
            continue
        best = picked(tried, choice["ssim"])
        told = ", ".join(f"{name} {in_words(ssim)}" for name, ssim in tried.items())
        if guidance == settings_of(config)["images_at"]:
            one = compose_config([f"cache={preset}"])
            method = _part(config, best, k, 1.0, 1, 1).method if best else None
            thinned = method and (method.cloud_steps, method.cache.trunk)
            same = thinned == (one.hybrid.cloud_steps, one.cache.trunk)
            verdicts.append(exactly(same, f"{preset} is {best or 'none'} of {told}"))
        ours.append(f"guidance {guidance:g}, for {preset}: {best or 'none'} (of {told})")
    text = "The presets thin_k10, thin_k5 and trunk_k5 are what the rule picks on prompts that the table does not hold."
    rule = f"ours: {choice['rule']} ({choice['ssim']})"
    return Claim(
        text, rule, NONE_QUOTED, "; ".join(ours), all_of(verdicts) if verdicts else untested("nothing was tried")
    )


def _seconds(table: pd.DataFrame) -> Claim:
    rows = table[~table["family"].isin((UNCACHED, GENERALISE)) & (table["n"] == table["n"].max())].drop_duplicates(
        ["k", "method"]
    )
    ratio = (rows["seconds"] / rows["macs"]).rename("ratio")
    worst = rows.iloc[int(np.argmax(ratio.to_numpy(dtype=float)))]
    ends = Estimate(*(worst[f"seconds{end}"] / worst["macs"] for end in ("", "_low", "_high")))
    what = f"{worst['method']}, k={worst['k']}, the slowest of {len(rows)}: seconds over what its counts promise"
    text = "What runs all candidates keeps in seconds what its multiply-accumulates promise, within a tenth."
    return Claim(text, "ours", NONE_QUOTED, f"{ratio.min():.2f} to {ratio.max():.2f}", below(ends, SLOWER, what))
