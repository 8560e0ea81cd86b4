"""`obclip reproduce`: run the paper's experiments and write their tables and figures."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import FULL, Config, plain
from obclip_cli.errors import UserError, nearest
from obclip_cli.overrides import names_of

if TYPE_CHECKING:
    from obclip_cli.report.progress import Experiments
    from obclip_cli.reproduction.page import Section

EPILOG = """
Examples:

obclip reproduce

obclip reproduce --size full

obclip reproduce figure3 --limit 20

obclip reproduce --pair sd14-bksdm-small --data datasets

obclip reproduce table7 --pair sdxl-koala --leave-out
"""
EMBEDDED = "mini"
NAMES = ", ".join(names_of("experiment"))
WHOLE = Path("results")
QUICK = WHOLE / "quick"


def reproduce(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] [KEY=VALUE]...", help=f"One of {NAMES}; then overrides.", show_default=False),
    ] = None,
    pair: o.Pair = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Prompts of each dataset.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of datasets: DIR/coco, DIR/mjhq.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download what is missing, and do not ask.")] = False,
    leave_out: Annotated[
        bool,
        typer.Option("--leave-out", help="Leave out scores whose models or data are missing; costs are counted."),
    ] = False,
    size: Annotated[str | None, typer.Option("--size", help="quick (the default) or full (hours on `mini`).")] = None,
    seed: o.Seed = None,
    output: o.Output = None,
    show_config: o.ShowConfig = False,
) -> None:
    """Run the paper's experiments; without NAME, all but those of hours. What is finished is only read again.

    What is not of full size, or has a limit, a seed or overrides, is a quick look, which goes to results/quick and is
    compared with results.
    """
    from obclip_cli.report.progress import experiment_bars
    from obclip_cli.reproduction.experiment import experiment_names, standing_names, take_over
    from obclip_cli.runs import check_writable

    name, overrides = o.split_prompt(arguments or [])
    known = experiment_names()
    if name is not None and name not in known:
        raise UserError(f"there is no experiment {name}; {nearest(name, known)}")
    typed = [override.partition("=")[2] for override in overrides if override.startswith("pair=")]
    pair = pair or (typed or [EMBEDDED])[-1]
    overrides = [override for override in overrides if not override.startswith("pair=")]
    overrides += [f"dataset.limit={limit}"] if limit is not None else []
    is_whole = not overrides and seed is None and (size == FULL or pair != EMBEDDED)
    whole = WHOLE if is_whole else QUICK
    overrides += [f"size={size}"] if size is not None else []
    folder = output or (whole if pair == EMBEDDED else whole / pair)
    if folder == QUICK and WHOLE.exists() and name is None:
        check_writable(folder)
        take_over(WHOLE, folder, {*standing_names(WHOLE, pair)} - {*standing_names()})
    names = standing_names(folder, pair) if name is None else [name]
    configs = [_composed(each, overrides, pair, seed, data) for each in names]
    if show_config:
        from omegaconf import OmegaConf

        shown = [plain(config) | {"experiment": config.experiment} for config in configs]
        typer.echo("---\n".join(OmegaConf.to_yaml(config) for config in shown), nl=False)
        return
    if not folder.exists():  # what is finished in one is read, also from a disk that nothing can be written to
        check_writable(folder)
    if pair != EMBEDDED and not leave_out:
        _ask(configs, data, agreed=yes)
    with experiment_bars(names) as display:
        sections = [_run(config, folder, display) for config in configs]
        display.end()
    _conclude(folder, sections, whole=name is None)


def _composed(name: str, overrides: list[str], pair: str, seed: int | None, data: Path | None) -> Config:
    """An experiment, with its dataset's folder under `data` where it needs one and none is named."""
    overrides = [f"experiment={name}", *overrides]
    config = o.compose_from(overrides, pair=pair, seed=seed)
    if data is not None and config.dataset.get("root", "") is None:
        root = f"dataset.root={data / config.dataset['name']}"
        config = o.compose_from([*overrides, root], pair=pair, seed=seed)
    return config


def _ask(configs: list[Config], data: Path | None, *, agreed: bool) -> None:
    """Say what the pair needs, ask, and fetch what is missing.

    Raises:
        UserError: nobody is there to answer, or a download failed.
        typer.Abort: the answer is no.
    """
    from obclip_cli.diffusion import pairs
    from obclip_cli.reproduction import needs

    planned = [run for config in configs for run in needs.planned_of(config)]
    typer.echo(f"{configs[0].pair.name}: timing one step of the large model ...", err=True)
    typer.echo(needs.in_words(configs, planned), err=True)
    if not agreed:
        if not sys.stdin.isatty():
            raise UserError("nobody is there to ask: add --yes to download and run, or --leave-out to count costs only")
        typer.confirm("Download what is missing and run?", abort=True, err=True)
    for config in {run.config.pair.name: run.config for run in planned}.values():
        if any(side.lacking for side in pairs.sides(config.pair)):
            pairs.pull(config.pair)
    if data is not None and any(config.dataset["name"] == "coco" for config in configs):
        from obclip_cli.commands.data import coco

        coco(data / "coco")


def _run(config: Config, folder: Path, display: "Experiments") -> "Section":
    """Run one, and test its claims; where it cannot be run, the others go on.

    Raises:
        UserError: there are no others.
    """
    from obclip_cli.evaluation.blocks import settings_of
    from obclip_cli.reproduction import contrast_claims, experiment, score_table
    from obclip_cli.reproduction.claims import with_reasons
    from obclip_cli.reproduction.page import Section

    settings, module, started = settings_of(config), experiment.module_of(config), time.monotonic()
    title, name = settings["title"], settings["name"]
    try:
        text = getattr(module, "run", score_table.run)(config, folder, display.begin(name))
    except UserError as error:
        if len(display.names) == 1:
            raise
        display.say(f"{name} was not run: {error}")
        return Section(title, name, str(error), was_run=False, claims=[])
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    display.say(f"{name}: written in {minutes} min {seconds:02d} s")
    own = module.claims(config, folder) if module is not None and hasattr(module, "claims") else []
    claims = [*contrast_claims.contrast_claims(config, folder), *own]
    reasons = settings.get("reasons", {}).get(config.pair.name, {})
    return Section(title, name, text, was_run=True, claims=with_reasons(claims, reasons))


def _conclude(folder: Path, sections: "list[Section]", *, whole: bool) -> None:
    """After all experiments the page, after one its claims; raises the errors once the rest is safe."""
    from obclip_cli.reproduction.agreement import agreement_with
    from obclip_cli.reproduction.page import write_page

    if whole:
        write_page(folder, sections)
    for section in sections if not whole else []:
        typer.echo(section.text)
        for claim in section.claims:
            typer.echo(f"\n{claim.claim} ({claim.source})\n  {claim.verdict.word}: {claim.verdict.why}")
            if claim.reason:
                typer.echo(f"  likelier reason: {claim.reason}")
    typer.echo(f"\nwritten to {folder}")
    if folder == QUICK and (said := agreement_with([c for section in sections for c in section.claims], WHOLE)):
        typer.echo(said)
    if failed := [f"{section.name} ({section.text})" for section in sections if not section.was_run]:
        raise UserError(f"not run: {'; '.join(failed)}; the rest is finished")
