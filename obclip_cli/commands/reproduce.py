"""`obclip reproduce`: run the paper's experiments and write their tables and figures."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import Config, plain
from obclip_cli.errors import UserError, nearest

if TYPE_CHECKING:
    from obclip_cli.report.progress import Experiments
    from obclip_cli.reproduction.claims import Claim

EPILOG = """
Examples:

obclip reproduce

obclip reproduce figure3 --limit 20

obclip reproduce --pair sd14-bksdm-small --data datasets

obclip reproduce table7 --pair sdxl-koala --leave-out
"""
EMBEDDED = "mini"
QUICK = Path("results") / "quick"


@dataclass
class _Experiment:
    """One experiment of this call.

    Attributes:
        module: experiments/NAME.py, or None where YAML says it all.
        text: its caption once it has run, or why it could not.
    """

    name: str
    config: Config
    module: Any
    text: str = ""
    was_run: bool = False

    @property
    def title(self) -> str:
        """The heading of its section on the page."""
        title: str = (self.config.experiment or {})["title"]
        return title

    def run(self, folder: Path, display: "Experiments") -> None:
        """Write its table, figure and runs.

        Raises:
            UserError: it cannot be run.
        """
        from obclip_cli.reproduction import score_table

        run = getattr(self.module, "run", score_table.run)
        self.text, self.was_run = run(self.config, folder, display.begin(self.name)), True

    def claims(self, folder: Path) -> "list[Claim]":
        """Its claims, first those of the YAML file."""
        from obclip_cli.reproduction.claims import contrast_claims

        own: list[Claim] = self.module.claims(self.config, folder) if hasattr(self.module, "claims") else []
        return [*contrast_claims(self.config, folder), *own]


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
        bool,
        typer.Option("--leave-out", help="Leave out scores whose models or data are missing; costs are counted."),
    ] = False,
    seed: o.Seed = None,
    output: o.Output = None,
    show_config: o.ShowConfig = False,
) -> None:
    """Run the paper's experiments; without NAME, all of them. What is finished is only read again.

    With a limit, a seed or overrides it is a quick look, which goes to results/quick.
    """
    from obclip_cli.report.progress import experiment_bars
    from obclip_cli.reproduction.experiment import experiment_names
    from obclip_cli.runs import check_writable

    name, overrides = o.split_prompt(arguments or [])
    known = experiment_names()
    if name is not None and name not in known:
        raise UserError(f"there is no experiment {name}; {nearest(name, known)}")
    overrides = [*overrides, *([f"dataset.limit={limit}"] if limit is not None else [])]
    pair = pair or EMBEDDED
    found = [_composed(each, overrides, pair, seed, data) for each in (known if name is None else [name])]
    if show_config:
        from omegaconf import OmegaConf

        configs = [plain(experiment.config) | {"experiment": experiment.config.experiment} for experiment in found]
        typer.echo("---\n".join(OmegaConf.to_yaml(config) for config in configs), nl=False)
        return
    whole = Path("results") if not overrides and seed is None else QUICK
    folder = output or (whole if pair == EMBEDDED else whole / pair)
    check_writable(folder)
    if pair != EMBEDDED and not leave_out:
        _ask(found, data, agreed=yes)
    with experiment_bars([experiment.name for experiment in found]) as display:
        for experiment in found:
            _run(experiment, folder, display)
        display.end()
    _conclude(folder, found, whole=name is None)


def _composed(name: str, overrides: list[str], pair: str, seed: int | None, data: Path | None) -> _Experiment:
    """An experiment, with its dataset's folder under `data` where it needs one and none is named."""
    from obclip_cli.reproduction.experiment import module_of

    overrides = [f"experiment={name}", *overrides]
    config = o.compose_from(overrides, pair=pair, seed=seed)
    if data is not None and config.dataset.get("root", "") is None:
        root = f"dataset.root={data / config.dataset['name']}"
        config = o.compose_from([*overrides, root], pair=pair, seed=seed)
    return _Experiment(name, config, module_of(config))


def _ask(found: list[_Experiment], data: Path | None, *, agreed: bool) -> None:
    """Say what the pair needs, ask, and fetch what is missing.

    Raises:
        UserError: nobody is there to answer, or a download failed.
        typer.Abort: the answer is no.
    """
    from obclip_cli.diffusion import pairs
    from obclip_cli.reproduction import needs

    configs = [experiment.config for experiment in found]
    planned = [run for experiment in found for run in needs.planned_of(experiment.config)]
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


def _run(experiment: _Experiment, folder: Path, display: "Experiments") -> None:
    """Run one; where it cannot be run, the others go on.

    Raises:
        UserError: there are no others.
    """
    started = time.monotonic()
    try:
        experiment.run(folder, display)
    except UserError as error:
        if len(display.names) == 1:
            raise
        experiment.text = str(error)
        display.say(f"{experiment.name} was not run: {error}")
        return
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    display.say(f"{experiment.name}: written in {minutes} min {seconds:02d} s")


def _conclude(folder: Path, found: list[_Experiment], *, whole: bool) -> None:
    """Claims and, after all experiments, the page; raises the errors once the rest is safe."""
    from obclip_cli.reproduction.page import Section, write_page

    claims = {each.name: each.claims(folder) if each.was_run else [] for each in found}
    if whole:
        write_page(
            folder, [Section(each.title, each.name, each.text, each.was_run, claims[each.name]) for each in found]
        )
    else:
        typer.echo("\n\n".join(each.text for each in found))
        for claim in (claim for told in claims.values() for claim in told):
            typer.echo(f"\n{claim.claim} ({claim.source})\n  {claim.verdict.word}: {claim.verdict.why}")
    typer.echo(f"\nwritten to {folder}")
    if failed := [f"{each.name} ({each.text})" for each in found if not each.was_run]:
        raise UserError(f"not run: {'; '.join(failed)}; the rest is finished")
