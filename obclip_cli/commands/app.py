"""All commands of `obclip`."""

from typing import Annotated

import typer

from obclip_cli import __version__
from obclip_cli.commands import attack as attack_command
from obclip_cli.commands import bench as bench_command
from obclip_cli.commands import candidates as candidates_command
from obclip_cli.commands import data as data_command
from obclip_cli.commands import eval as eval_command
from obclip_cli.commands import generate as generate_command
from obclip_cli.commands import models as models_command
from obclip_cli.commands import profile as profile_command
from obclip_cli.commands import reproduce as reproduce_command
from obclip_cli.commands import serve as serve_command
from obclip_cli.commands import sweep as sweep_command

app = typer.Typer(
    name="obclip",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Images from a large cloud model without telling the cloud who is in them (arXiv 2510.04153).",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"obclip {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Processor threads; as many as there are idle cores.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Options that may stand anywhere. `obclip_cli.main` reads them, before anything is loaded."""


app.command("generate", epilog=generate_command.EPILOG)(generate_command.generate)
app.command("serve", epilog=serve_command.EPILOG)(serve_command.serve)
app.command("candidates", epilog=candidates_command.EPILOG)(candidates_command.candidates)
app.command("eval", epilog=eval_command.EPILOG)(eval_command.evaluate)
app.command("sweep", epilog=sweep_command.EPILOG)(sweep_command.sweep)
app.add_typer(data_command.app, name="data")
app.command("attack", epilog=attack_command.EPILOG)(attack_command.attack)
app.add_typer(models_command.app, name="models")
app.command("profile", epilog=profile_command.EPILOG)(profile_command.profile)
app.command("bench", hidden=True)(bench_command.bench)
app.command("reproduce", epilog=reproduce_command.EPILOG)(reproduce_command.reproduce)
