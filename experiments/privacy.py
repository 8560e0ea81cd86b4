"""What an honest-but-curious server can guess, scheme by scheme, against 1/N + λ (the paper reports no attack).

The matrix of schemes and attacks, what λ costs, what repetition adds, and a page on what is promised and what is not.
"""

import math
from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.attacks import ATTACKS
from obclip_cli.config import Config, plain
from obclip_cli.game.run import LAMBDA, Arena, run_matrix, schemes_of, users_for
from obclip_cli.game.scoring import LEAK, WITHIN
from obclip_cli.game.sweeps import MANY_TIMES, WITH_LAMBDA, lambda_sweep, query_sweep
from obclip_cli.game.utility import utility_of_draws
from obclip_cli.metrics.intervals import Estimate
from obclip_cli.report.privacy_plots import plot_nothing, plot_privacy
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.claims import Claim, above, exactly, in_words, untested
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.scoreboard import what_is_missing
from obclip_cli.reproduction.switch_points import default_split

TITLE = "Privacy: what a server that sees everything can guess"
LAMBDAS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.9)
REPEATS, OTHERS, ANSWERED = 6, 6, 20
SWEEP_TEMPLATES, MOST_QUERIES = 8, 12
ROUNDING = 1e-9
# Scheme: the claim, its source, the paper's figure.
SAID = {
    "all": ("Of N candidates a server guesses the prompt with 1/N, whatever it tries (λ = 0).", "Theorem 1", "1/N"),
    "bucket": (
        "With blocks of candidates a guess is right with at most 1/N + λ.",
        "our promise, by the paper's measure λ; it runs no such scheme",
        "1/N + λ",
    ),
    "replacement": (
        "One other candidate instead of the prompt gives the prompt away to who is asked often enough.",
        "our control; the paper dismisses replacement for its images (Fig. 4)",
        "none",
    ),
    "word-dp": (
        "Perturbing a prompt word by word gives it away to who is asked often enough, or looks at the words.",
        "our control (SanText, Yue et al. 2021)",
        "none",
    ),
}


def overrides(pair: str) -> list[str]:
    """Few prompts: only those are drawn again whose candidate was missing."""
    return [*captions(pair, limit_on_mini=30), *default_split(pair)]


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `privacy.csv`, `.md`, `.png`, `privacy_promises.md` and the run behind them; return what they show."""
    run_folder = _run_folder(config, folder)
    if missing := what_is_missing(config):
        return _without_models(config, folder, missing)
    if not runs.is_finished(run_folder, config):
        _measure(config, run_folder, progress)
        runs.mark_finished(run_folder, config)
    scores, sweep, utility, queries = (
        pd.read_csv(run_folder / f"{name}.csv") for name in ("scores", "lambda", "utility", "queries")
    )
    caption = (
        f"{TITLE}. Pair {config.pair.name}: success of every attack on every scheme, in %, * where its 95 % interval "
        f"lies above the bound 1/N + λ (a leak), empty where the attack does not apply. {scores['prompts'].max()} "
        f"prompts, fewer where models answer; λ = {LAMBDA} for {', '.join(WITH_LAMBDA)}; seed {config.seed}. "
        f"Run: runs/{run_folder.name}."
    )
    write_table(matrix(scores), folder / "privacy", caption=caption)
    plot_privacy(sweep, utility, queries, folder / "privacy.png", title=TITLE)
    found = finding(scores, sweep, utility, queries)
    runs.write_text(folder / "privacy_promises.md", promises(found))
    return f"{caption}\n\n{found}\n\nWhat is promised and what is not: [privacy_promises.md](privacy_promises.md)."


def claims(config: Config, folder: Path) -> list[Claim]:
    """Theorem 1, and what the schemes beside it promise or must fail at; the paper reports no attack.

    * all (λ = 0): every attack that applies is right with exactly 1/N, as each candidate is p* equally often and none
      shows in the request. Where too few prompts were answered for that, the interval must hold 1/N.
    * bucket: under every attack that applies, the interval over prompts reaches down to 1/N + λ or below it.
    * replacement, word-dp: the attack that is right most often has its whole interval above 1/N.
    """
    if missing := what_is_missing(config):
        return [Claim(text, source, paper, "not run", untested(missing)) for text, source, paper in SAID.values()]
    scores = pd.read_csv(_run_folder(config, folder) / "scores.csv")
    tried = {name: rows[rows["prompts"] > 0] for name, rows in scores.groupby("scheme")}
    return [
        _claim_of_theorem(tried["all"]),
        _claim_of_bound(tried["bucket"]),
        *(_claim_of_leak(name, tried[name]) for name in ("replacement", "word-dp")),
    ]


def _claim_of_theorem(tried: pd.DataFrame) -> Claim:
    # Users are taken combination by combination: with whole rounds of N, every candidate is p* equally often.
    whole = tried["prompts"] % (1 / tried["bound"]).round() == 0
    exact = (tried["success"] - tried["bound"]).abs() <= ROUNDING
    covered = (tried["low"] <= tried["bound"]) & (tried["bound"] <= tried["high"])
    off = tried[~exact.where(whole, covered)]
    why = f"{int((whole & exact).sum())} of {len(tried)} attacks are right with exactly 1/N"
    why += "" if whole.all() else f", {int((~whole & covered).sum())} on some of its candidates have it in the interval"
    why += f"; not so: {', '.join(off['attack'])}" if len(off) else ""
    seen = f"{tried['success'].min():.4g} to {tried['success'].max():.4g} over {len(tried)} attacks"
    return Claim(*SAID["all"], f"{seen}; 1/N = {tried['bound'].iloc[0]:.4g}", exactly(off.empty, why))


def _claim_of_bound(tried: pd.DataFrame) -> Claim:
    leaks = tried[tried["verdict"] == LEAK]
    best = tried.sort_values("success").iloc[-1]
    ours = f"best: {best['attack']} {in_words(_success(best))}; 1/N + λ = {best['bound']:.4g}"
    why = f"leaks to {', '.join(leaks['attack'])}" if len(leaks) else f"no interval of {len(tried)} attacks is above it"
    return Claim(*SAID["bucket"], ours, exactly(leaks.empty, why))


def _claim_of_leak(scheme: str, tried: pd.DataFrame) -> Claim:
    best = tried.sort_values("low").iloc[-1]
    verdict = above(_success(best), float(best["bound"]), f"success of {best['attack']}")
    ours = f"{best['attack']}: {in_words(_success(best))}; 1/N = {best['bound']:.4g}"
    return Claim(*SAID[scheme], ours, verdict)


def _success(row: pd.Series) -> Estimate:
    return Estimate(float(row["success"]), float(row["low"]), float(row["high"]))


def _run_folder(config: Config, folder: Path) -> Path:
    return folder / "runs" / f"privacy-{config.pair.name}-{runs.fingerprint(plain(config), LAMBDAS)}"


def _without_models(config: Config, folder: Path, missing: str) -> str:
    """What stands in place of the matrix where the pair's models are not here: nothing can be played."""
    run_folder = folder / "runs" / f"privacy-{config.pair.name}-not-run"
    runs.start(run_folder, config)
    caption = f"{TITLE}. Pair {config.pair.name}: nothing was played: {missing}. Run: runs/{run_folder.name}."
    table = pd.DataFrame(columns=["scheme", "bound", *ATTACKS])
    write_table(table, folder / "privacy", caption=caption)
    plot_nothing(folder / "privacy.png", title=TITLE)
    return f"{caption}\n\nNothing was measured on this pair."


def _measure(config: Config, folder: Path, progress: ProgressBar) -> None:
    """Play, attack and sweep; writes `scores.csv`, `lambda.csv`, `queries.csv` and `utility.csv`."""
    users = users_for(config, repeats=REPEATS, others=OTHERS)
    arena = Arena(config, users=users, answered=ANSWERED)
    run_matrix(arena, schemes_of(arena, [], LAMBDA), list(ATTACKS), folder, progress)
    few = users_for(config, repeats=3, others=3, templates=SWEEP_TEMPLATES)
    text_only = Arena(config, users=few, answered=0)
    steps = progress("lambda", len(LAMBDAS) * len(WITH_LAMBDA)), progress("requests", len(MANY_TIMES))
    tables = {
        "lambda": lambda_sweep(text_only, LAMBDAS, folder / "lambda", steps[0]),
        "queries": query_sweep(text_only, LAMBDA, MOST_QUERIES, folder / "queries", steps[1]),
        "utility": utility_of_draws(config, LAMBDAS, progress),
    }
    for name, table in tables.items():
        runs.write_text(folder / f"{name}.csv", table.to_csv(index=False))


def matrix(scores: pd.DataFrame) -> pd.DataFrame:
    """Schemes down, attacks across: success in %, * for a leak."""
    shown = [
        "" if math.isnan(success) else f"{100 * success:.1f}{'*' if verdict == LEAK else ''}"
        for success, verdict in zip(scores["success"].astype(float), scores["verdict"], strict=True)
    ]
    cells = scores.assign(cell=shown)
    table = cells.pivot(index="scheme", columns="attack", values="cell")
    table = table.reindex(index=scores["scheme"].unique(), columns=scores["attack"].unique())
    bounds = (100 * scores.groupby("scheme")["bound"].first()).round(1)
    table.insert(0, "bound", bounds)
    return table.reset_index()


def finding(scores: pd.DataFrame, sweep: pd.DataFrame, utility: pd.DataFrame, queries: pd.DataFrame) -> str:
    """What the tables show, in words computed from them."""
    leaks = scores[scores["verdict"] == LEAK].groupby("scheme", sort=False)["attack"].agg(", ".join)
    tried = scores[scores["verdict"].isin((LEAK, WITHIN))]
    clean = [name for name in tried["scheme"].unique() if name not in leaks.index]
    planted = scores[scores["planted_for"] == scores["attack"]]
    missed = list(planted[planted["verdict"] != LEAK]["scheme"])
    draws = sweep[sweep["strategy"] == "dp"]
    first, own_is_sent = draws["lambda"].iloc[0], draws["own_is_sent"].iloc[0]
    full = utility.loc[utility["lambda"] == 0, "right"].iloc[0]
    worst = utility.sort_values("right").iloc[0]
    last = queries[queries["queries"] == queries["queries"].max()]
    after = {(row.strategy, row.prompts): f"{row.success:.0%}" for row in last.itertuples()}
    return "\n".join(
        [
            f"* Within the bound under every attack: {', '.join(clean)}.",
            *(f"* {scheme} leaks to: {attacks}." for scheme, attacks in leaks.items()),
            f"* Of {len(planted)} planted leaks, {len(planted) - len(missed)} are caught by the attack meant for them"
            + (f"; missed: {', '.join(missed)}." if missed else "."),
            f"* After {last['queries'].max()} requests about one person in different prompts, intersection is right "
            f"with {after['all', 'different']} (all), {after['bucket', 'different']} (bucket), "
            f"{after['dp', 'different']} (dp) and {after['fresh', 'different']} (fresh).",
            f"* A draw (dp) at λ = {first} holds the prompt's own candidate in {own_is_sent:.0%} of requests at the "
            f"cost of a bucket; right attributes fall from {full:.0%} to {worst['right']:.0%} at worst "
            f"(λ = {worst['lambda']}).",
        ]
    )


def promises(found: str) -> str:
    """The page on what obclip promises, what it does not, and what was measured."""
    return f"""# What is promised, and what is not

## Promised
* **Who listens.** The server follows the protocol and looks at everything it is sent (semi-honest). It knows this
  program, its settings, its own models and all earlier requests. It does not know the device or the client's secret.
* **all (λ = 0).** Every candidate of a prompt gives the same request, byte for byte. Of N candidates a guess is right
  with 1/N, however often one asks.
* **bucket.** The request shows the block that holds the prompt in a split which the client's secret fixes. A guess is
  right with 1/M, M being the size of the block, so λ = 1/M - 1/N. Asking again, or in other words with the same
  attributes, shows the same block.
* **dp.** The request is a draw that the secret and the prompt's template fix. λ holds for each template; repeating it
  adds nothing.

## Not promised
* **Other words.** Hidden are the attributes that are found, in the words that say them. "Pregnant", "beard" or a name
  stay, and say what they say. So does whatever the taxonomy does not list.
* **A prior.** λ is against a guesser to whom all candidates are equally likely. One who knows that judges are mostly
  old starts from there; the request adds nothing, and takes nothing away.
* **One attribute of several.** λ bounds the guess of all attributes together. A block of few candidates may hold more
  women than men, or only women.
* **Different attributes of one person (bucket).** Blocks of prompts that state other attributes, or of another λ, are
  other splits. Whoever knows that two requests are about one person can compare them.
* **Many prompts about one person (dp).** Each template is a new draw, and draws add up. Use bucket.
* **fresh and replacement** are controls: repeated requests undo them.
* **Links.** That requests come from one client, when, how many, and at which size, is in plain sight.
* **The finished image.** It never goes up, but whoever publishes it shows it, and the server may recognise a latent of
  its own in it.
* **A server that cheats.** It could run other steps than it says or mark its latents. Nothing here detects that.
* **The secret.** Who reads the file reads the splits. Who loses it and makes another shows two splits.

## Measured
{found}
"""
