"""The `obclip` command."""

import sys
from typing import Annotated

import typer

from obclip_cli import __version__
from obclip_cli.commands import eval as eval_command
from obclip_cli.commands import generate as generate_command
from obclip_cli.commands import reproduce as reproduce_command
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
    """Options that stand before the command. `--debug` is read by `run`, which meets errors last."""


app.command("generate", epilog=generate_command.EPILOG)(generate_command.generate)
app.command("eval", epilog=eval_command.EPILOG)(eval_command.evaluate)
app.command("reproduce", epilog=reproduce_command.EPILOG)(reproduce_command.reproduce)


def run() -> None:
    """Run the command; a user's error is one line and exit code 2."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except UserError as error:
        if debug:
            raise
        typer.echo(f"obclip: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("obclip: stopped; what was finished is kept", err=True)
        sys.exit(130)


if __name__ == "__main__":
    run()
