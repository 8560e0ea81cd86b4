"""The `obclip` command: whatever goes wrong in it is one line, from the first import on."""

import gc
import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

LONG = {"eval", "sweep", "attack", "reproduce", "bench"}  # generate says it with its seconds
STOPPED = "obclip: stopped; what was finished is kept, and the same command goes on from there"


def run() -> None:
    """Run the command; a user's error is one line and exit code 2, Ctrl-C one line and 130."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without a prompt's letters shows their numbers
        sys.stdout.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    gc.set_threshold(50_000, 20, 100)  # torch and diffusers load a million objects, none of them garbage
    code: Any = 130
    with _ctrl_c() as pressed:
        try:
            code = _invoked(debug)
        except Exception:  # Ctrl-C in the middle of an import may arrive as any error
            if not pressed or debug:
                raise
        except KeyboardInterrupt:
            pass
    gc.freeze()  # nor is there garbage to look for at the end
    if pressed or code == 130:
        print(STOPPED, file=sys.stderr)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """A list that is empty until Ctrl-C was pressed; not where it is to be ignored, as after `nohup`."""
    pressed: list[int] = []

    def stop(number: int, _: object) -> NoReturn:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _invoked(debug: bool) -> Any:
    """The command's exit code; Typer makes Ctrl-C a 130, so that nobody below need know of it."""
    import typer

    from obclip_cli import threads
    from obclip_cli.diffusion import backend
    from obclip_cli.errors import UserError

    try:
        told = threads.choose(threads.asked_for(sys.argv))
        backend.by_command_line()
        from obclip_cli.commands.app import app

        if told and LONG & {*sys.argv[1:2]} and not {"--help", "--cfg"} & {*sys.argv}:
            print(f"obclip: {told}", file=sys.stderr)

        return app(standalone_mode=False)
    except UserError as error:
        if debug:
            raise
        _fail(str(error))
    except typer.TyperException as error:
        said = getattr(error, "format_message", error.__str__)()
        if not said:  # no command at all: Typer has printed the help
            return 2
        _fail(f"{said} (obclip --help lists commands and options)")
    except typer.Abort:
        return 130


def _fail(message: str) -> NoReturn:
    print(f"obclip: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    run()
