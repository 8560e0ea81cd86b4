"""`obclip sweep`: one run for every combination of settings."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from obclip_cli.commands import options as o
from obclip_cli.errors import UserError
from obclip_cli.overrides import names_of

EPILOG = """
Examples:

obclip sweep -k 0,5,10,15,20,25

obclip sweep -k 5,10 cache=none,paper --seed 'range(0,3)' --limit 50

obclip sweep -k 0,5,10 hydra/launcher=joblib hydra.launcher.n_jobs=2
"""


def sweep(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE,VALUE]...", help="Hydra overrides, some with several values."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help=f"Some of {', '.join(names_of('dataset'))}.")] = None,
    pair: Annotated[str | None, typer.Option("--pair", help=f"Some of {', '.join(names_of('pair'))}.")] = None,
    switch_point: Annotated[
        str | None, typer.Option("-k", "--switch-point", help="Steps that the cloud runs, as in 0,5,10.")
    ] = None,
    lambda_: Annotated[
        str | None, typer.Option("--lambda", help="How much better than 1/N guesses may be, as in 0,0.1.")
    ] = None,
    seed: Annotated[str | None, typer.Option("--seed", help="Seeds of the starting noise, as in 0,1,2.")] = None,
    limit: Annotated[str | None, typer.Option("--limit", help="Prompts of the dataset.")] = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: Annotated[bool, typer.Option("--cfg", help="Print the first run's configuration and stop.")] = False,
) -> None:
    """Score ObCLIP at every combination of settings; one table and one plot over all of them."""
    options = o.said(dataset=dataset, pair=pair, switch_point=switch_point, lambda_=lambda_, seed=seed, limit=limit)
    asked = [*(overrides or []), *options]
    if not asked:
        raise UserError("nothing is swept; give a setting several values, as in: obclip sweep -k 0,5,10")
    from obclip_cli.evaluation import sweep as sweeping
    from obclip_cli.runs import FINISHED, check_writable, fingerprint, write_text

    if show_config:
        o.print_config(sweeping.first_combination(asked))
        return
    folder = output or Path("results/sweeps") / fingerprint(sweeping.settings_of(asked))
    checked = sweeping.checked_overrides(asked)
    mark = sweeping.identity(asked, checked)
    if not (finished := sweeping.is_finished(folder, mark)):
        check_writable(folder)
        sweeping.begin(folder, asked)
        try:
            sweeping.run(checked, folder)
        except KeyboardInterrupt:  # what was finished is shown
            _report(folder, asked, as_json=as_json, stopped=True)
            raise
    if _report(folder, asked, as_json=as_json):
        raise typer.Exit(1)
    if not finished:
        write_text(folder / FINISHED, mark)


def _report(folder: Path, asked: list[str], *, as_json: bool, stopped: bool = False) -> int:
    """Write and show what there is; the number of failed runs.

    Raises:
        UserError: all runs failed.
    """
    from obclip_cli.evaluation.score import COSTS
    from obclip_cli.evaluation.sweep_plot import plot_sweep_runs
    from obclip_cli.evaluation.sweep_report import read_sweep, write_sweep
    from obclip_cli.report.tables import show_table

    report = read_sweep(folder)
    if report.table.empty:
        if stopped:
            return 0
        raise UserError(f"all {len(report.failed)} runs failed; the first: {next(iter(report.failed.values()))}")
    caption = f"Sweep over {' '.join(asked)}. Intervals are of 95 %, over images. {COSTS}"
    write_sweep(report, folder, caption=caption)
    plot_sweep_runs(report, folder / "sweep.png", title=f"Sweep over {' '.join(asked)}")
    for setting, why in report.failed.items():
        Console(stderr=True).print(f"failed: {setting}: {why}", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        typer.echo(report.table.to_json(orient="records", indent=1))
    else:
        show_table(report.table, caption)
        typer.echo(f"written to {folder}")
    return len(report.failed)
