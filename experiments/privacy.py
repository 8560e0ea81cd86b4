"""What an honest-but-curious server can guess, scheme by scheme, against 1/N + λ (the paper reports no attack).

The matrix of schemes and attacks, what λ costs, and what repetition adds. What decides the claims:

* all (λ = 0): every attack on requests that applies is right with exactly 1/N, as each candidate is p* equally often
  and none shows in the request. What a clock measured, or too few prompts told, must have 1/N in its interval.
* bucket: under every attack that applies, the interval over prompts reaches down to 1/N + λ or below it.
* replacement, word-dp: the attack that is right most often has its whole interval above 1/N; they do not where it lies
  below 1/N and the smallest λ tried.
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.attacks import ATTACKS
from obclip_cli.config import Config
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.game.run import LAMBDA, Arena, run_matrix, schemes_of, users_for
from obclip_cli.game.scoring import LEAK, power
from obclip_cli.game.sweeps import MANY_TIMES, WITH_LAMBDA, lambda_sweep, query_sweep
from obclip_cli.game.utility import utility_of_draws
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.privacy_plots import plot_privacy
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, Verdict, above, exactly, in_words, untested
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.power import Counts
from obclip_cli.runs import read_table

ROUNDING = 1e-9
# By a clock; or by other prompts of the user, which are not the same for all candidates.
MEASURED = ("traffic", "timing", "many-prompts")
SHOWN = ("published-image",)  # not a part of any request: no scheme promises anything about it
UTILITY: dict[str, list[float]] = {"lambda": [], "right": []}  # where the pair cannot show what the taxonomy hides


def run_of(config: Config, folder: Path) -> Path:
    """The run folder; other sizes of the game are another run."""
    return run_folder(config, folder, settings_of(config)["plays"])


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write matrix and plot and the run behind them; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    pairs.require(config.pair)
    run = run_of(config, folder)
    if not runs.is_finished(run, config):
        _measure(config, run, progress)
        runs.mark_finished(run, config)
    scores, sweep, utility, queries = (
        read_table(run / f"{name}.csv") for name in ("scores", "lambda", "utility", "queries")
    )
    told = f"{how_sure(scores)} λ = {LAMBDA} for {', '.join(WITH_LAMBDA)}."
    caption = write_results(config, folder, matrix(scores), run, told)
    experiment = settings_of(config)
    plot_privacy(sweep, utility, queries, folder / f"{experiment['name']}.png", title=experiment["title"])
    return caption


def how_sure(scores: pd.DataFrame) -> str:
    """How many prompts each attack saw, and the chance that a leak of 5 points would be called."""
    hidden = scores[scores["scheme"].isin(("all", "bucket")) & (scores["prompts"] > 0)]
    groups = hidden.groupby("prompts", sort=True)["attack"].unique()
    most, parts = max(groups.index), []
    for prompts, attacks in groups[::-1].items():
        chances = [power(float(bound), int(str(prompts))) for bound in sorted(hidden["bound"].unique())]
        names = "text attacks" if prompts == most else ", ".join(attacks)
        parts.append(f"{prompts} for {names} ({' and '.join(f'{chance:.0%}' for chance in chances)})")
    return f"Prompts, and the chance that a LEAK of 5 points is called on all and bucket: {'; '.join(parts)}."


def _measure(config: Config, folder: Path, progress: ProgressBar) -> None:
    """Play, attack and sweep; writes `scores.csv`, `lambda.csv`, `queries.csv` and `utility.csv`."""
    plays = settings_of(config)["plays"]
    sizes = {name: plays[name] for name in ("repeats", "others", "rounds", "templates") if name in plays}
    users = users_for(config, **sizes)
    arena = Arena(config, users=users, **{name: plays[name] for name in ("answered", "published", "made")})
    run_matrix(arena, schemes_of(arena, [], LAMBDA), list(ATTACKS), folder, progress)
    few, lambdas = users_for(config, repeats=3, others=3, templates=plays["sweep_templates"]), plays["lambdas"]
    text_only = Arena(config, users=few, answered=0)
    steps = progress("lambda", len(lambdas) * len(WITH_LAMBDA)), progress("requests", len(MANY_TIMES))
    tables = {
        "lambda": lambda_sweep(text_only, lambdas, folder / "lambda", steps[0]),
        "queries": query_sweep(text_only, LAMBDA, plays["most_queries"], folder / "queries", steps[1]),
        "utility": utility_of_draws(config, lambdas, progress) if plays["utility"] else pd.DataFrame(UTILITY),
    }
    for name, table in tables.items():
        runs.write_text(folder / f"{name}.csv", table.to_csv(index=False))


def matrix(scores: pd.DataFrame) -> pd.DataFrame:
    """Schemes down, attacks across: success in %, * for a leak, empty where an attack does not apply."""
    percent = (100 * scores["success"].astype(float)).map("{:.1f}".format).where(scores["success"].notna(), "")
    cells = scores.assign(cell=percent + scores["verdict"].map({LEAK: "*"}).fillna(""))
    table = cells.pivot(index="scheme", columns="attack", values="cell")
    table = table.reindex(index=scores["scheme"].unique(), columns=scores["attack"].unique())
    table.insert(0, "bound", (100 * scores.groupby("scheme")["bound"].first()).round(1))
    return table.reset_index()


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claims of the docstring, from `scores.csv` of the run."""
    path = run_of(config, folder) / "scores.csv"
    scores = read_table(path) if path.exists() else None
    found = []
    for scheme, (text, source, paper) in settings_of(config)["claims_on"].items():
        ours, verdict = "not run", untested("nothing was played")
        if scores is not None:
            tried = scores[(scores["scheme"] == scheme) & (scores["prompts"] > 0) & ~scores["attack"].isin(SHOWN)]
            if scheme in HIDING:
                ours, verdict = HIDING[scheme](tried)
            else:
                ours, verdict = leaks(tried, min(settings_of(config)["plays"]["lambdas"]))
        found.append(Claim(text, source, paper, ours, verdict))
    return found


def exactly_one_of_n(tried: pd.DataFrame) -> tuple[str, Verdict]:
    """Theorem 1."""
    # Users are taken combination by combination: with whole rounds of N, every candidate is p* equally often.
    whole = (tried["prompts"] % (1 / tried["bound"]).round() == 0) & ~tried["attack"].isin(MEASURED)
    exact = (tried["success"] - tried["bound"]).abs() <= ROUNDING
    covered = (tried["low"] <= tried["bound"]) & (tried["bound"] <= tried["high"])
    off = tried[~exact.where(whole, covered)]
    why = f"{int((whole & exact).sum())} of {len(tried)} attacks are right with exactly 1/N"
    why += "" if whole.all() else f", {int((~whole & covered).sum())} on some of its candidates have it in the interval"
    why += f"; not so: {', '.join(off['attack'])}" if len(off) else ""
    seen = f"{tried['success'].min():.4g} to {tried['success'].max():.4g} over {len(tried)} attacks"
    return f"{seen}; 1/N = {tried['bound'].iloc[0]:.4g}", exactly(off.empty, why)


def within_bound(tried: pd.DataFrame) -> tuple[str, Verdict]:
    """What blocks promise."""
    found, best = tried[tried["verdict"] == LEAK], tried.sort_values("success").iloc[-1]
    why = f"leaks to {', '.join(found['attack'])}" if len(found) else f"no interval of {len(tried)} attacks is above it"
    ours = f"best: {best['attack']} {in_words(_success(best))}; 1/N + λ = {best['bound']:.4g}"
    return ours, exactly(found.empty, why)


def leaks(tried: pd.DataFrame, least: float) -> tuple[str, Verdict]:
    """What a control must fail at; less than `least`, a λ, beyond a guess does not count."""
    best = tried.sort_values("low").iloc[-1]
    found, bound = _success(best), float(best["bound"])
    counts = Counts.by(-least, found, f"the smallest λ tried, {least:g}")
    ours = f"{best['attack']}: {in_words(found)}; 1/N = {bound:.4g}"
    return ours, above(found, bound, f"success of {best['attack']}", int(best["prompts"]), counts)


HIDING = {"all": exactly_one_of_n, "bucket": within_bound}  # the others are controls


def _success(row: pd.Series) -> Estimate:
    return Estimate(float(row["success"]), float(row["low"]), float(row["high"]))
