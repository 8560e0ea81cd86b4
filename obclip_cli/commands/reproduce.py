"""`obclip reproduce`: run the paper's experiments and write their tables and figures."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import Config
from obclip_cli.errors import UserError, nearest
from obclip_cli.report.progress import Experiments, experiment_bars
from obclip_cli.reproduction.experiments import Experiment, experiment_names, load_experiment

if TYPE_CHECKING:
    from obclip_cli.reproduction.claims import Claim
    from obclip_cli.reproduction.needs import Planned

EPILOG = """
Examples:

obclip reproduce

obclip reproduce figure3 --limit 20 -o results/quick

obclip reproduce --pair sd14-bksdm-small --data datasets

obclip reproduce table7 --pair sdxl-koala --leave-out
"""
EMBEDDED = "mini"


def reproduce(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] [KEY=VALUE]...", help="An experiment, then overrides.", show_default=False),
    ] = None,
    pair: o.Pair = EMBEDDED,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Prompts of each dataset.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of datasets: DIR/coco, DIR/mjhq.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download what is missing, and do not ask.")] = False,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave scores out that need what is not here; costs are counted.")
    ] = False,
    seed: o.Seed = None,
    output: o.Output = None,
) -> None:
    """Run the paper's experiments; without NAME, all of them. What is finished is only read again."""
    from obclip_cli.runs import check_writable

    name, overrides = o.split_prompt(arguments or [])
    known = experiment_names()
    if name is not None and name not in known:
        raise UserError(f"there is no experiment {name}; {nearest(name, known)}")
    names = known if name is None else [name]
    pair = pair or EMBEDDED
    experiments = {each: load_experiment(each) for each in names}
    overrides = [*overrides, *([f"dataset.limit={limit}"] if limit is not None else [])]
    configs = {
        each: _with_data([*found.overrides(pair), *overrides], pair, seed, data) for each, found in experiments.items()
    }
    folder = output or (Path("results") if pair == EMBEDDED else Path("results") / pair)
    check_writable(folder)
    if pair != EMBEDDED and not leave_out:
        _ask(experiments, configs, data, agreed=yes)
    with experiment_bars(names) as display:
        done = {each: _run(each, experiments[each], configs[each], folder, display) for each in names}
        display.end()
    _conclude(folder, experiments, configs, done, whole=name is None)


def _with_data(overrides: list[str], pair: str, seed: int | None, data: Path | None) -> Config:
    """The configuration, with a dataset's folder under `data` where it needs one and none is named."""
    config = o.compose_from(overrides, pair=pair, seed=seed)
    if data is None or config.dataset.get("root", "") is not None:
        return config
    return o.compose_from([*overrides, f"dataset.root={data / config.dataset['name']}"], pair=pair, seed=seed)


def _ask(experiments: dict[str, Experiment], configs: dict[str, Config], data: Path | None, *, agreed: bool) -> None:
    """Say what the pair needs, ask, and fetch what is missing.

    Raises:
        UserError: nobody is there to answer, or a download failed.
        typer.Abort: the answer is no.
    """
    from obclip_cli.diffusion import pairs
    from obclip_cli.reproduction import needs

    planned = [run for name, found in experiments.items() for run in _planned(found, configs[name])]
    typer.echo(f"{next(iter(configs.values())).pair.name}: timing one step of the large model ...", err=True)
    typer.echo(needs.in_words(list(configs.values()), planned), err=True)
    if not agreed:
        if not sys.stdin.isatty():
            raise UserError("nobody is there to ask: add --yes to download and run, or --leave-out to count costs only")
        typer.confirm("Download what is missing and run?", abort=True, err=True)
    for config in {run.config.pair.name: run.config for run in planned}.values():
        if any(side.lacking for side in pairs.sides(config.pair)):
            pairs.pull(config.pair)
    if data is not None and any(config.dataset["name"] == "coco" for config in configs.values()):
        from obclip_cli.commands.data import coco

        coco(data / "coco")


def _run(name: str, experiment: Experiment, config: Config, folder: Path, display: Experiments) -> str | UserError:
    """What an experiment shows, or why it could not be run; the others go on.

    Raises:
        UserError: there are no others.
    """
    started = time.monotonic()
    bar = display.begin(name)
    try:
        text = experiment.run(config, folder, bar)
    except UserError as error:
        if display.names == [name]:
            raise
        display.say(f"{name} was not run: {error}")
        return error
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    display.say(f"{name}: written in {minutes} min {seconds:02d} s")
    return text


def _conclude(
    folder: Path,
    experiments: dict[str, Experiment],
    configs: dict[str, Config],
    done: dict[str, str | UserError],
    *,
    whole: bool,
) -> None:
    """Claims and, after all experiments, the page; raises the first error once the rest is safe."""
    from obclip_cli.reproduction.claims_page import write_claims
    from obclip_cli.reproduction.page import Section, write_page

    finished = {name: text for name, text in done.items() if isinstance(text, str)}
    found = [claim for name in finished for claim in _claims(experiments[name], configs[name], folder)]
    if whole:
        sections = [
            Section(experiments[name].TITLE, name, str(text), was_run=name in finished) for name, text in done.items()
        ]
        write_page(folder, sections, write_claims(found, folder))
    else:
        typer.echo("\n\n".join(finished.values()))
        for claim in found:
            typer.echo(f"\n{claim.claim} ({claim.source})\n  {claim.verdict.word}: {claim.verdict.why}")
    typer.echo(f"\nwritten to {folder}")
    if errors := [f"{name} ({error})" for name, error in done.items() if isinstance(error, UserError)]:
        raise UserError(f"not run: {'; '.join(errors)}; the rest is finished" if finished else errors[0])


def _claims(experiment: Experiment, config: Config, folder: Path) -> "list[Claim]":
    claims = getattr(experiment, "claims", None)
    return claims(config, folder) if claims else []


def _planned(experiment: Experiment, config: Config) -> "list[Planned]":
    planned = getattr(experiment, "planned", None)
    return planned(config) if planned else []
