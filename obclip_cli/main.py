"""The `obclip` command."""

import io
import sys
from typing import Annotated, NoReturn

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
from obclip_cli.errors import UserError

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
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Options before the command. `--debug` is read by `run`, where errors arrive."""


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


def _fail(message: str) -> NoReturn:
    typer.echo(f"obclip: {' '.join(message.split())}", err=True)
    sys.exit(2)


def run() -> None:
    """Run the command; a user's error is one line and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without a prompt's letters shows their numbers
        sys.stdout.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        if debug:
            raise
        _fail(str(error))
    except typer.TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        if not said:  # no command at all: Typer has printed the help
            sys.exit(2)
        _fail(f"{said} (obclip --help lists commands and options)")
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("obclip: stopped; what was finished is kept", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    run()
