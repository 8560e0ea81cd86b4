"""Run scripts, and the parties of a protocol, as processes of this machine, and leave none behind.

A party is any program that writes lines of JSON to its standard output. One may be `{"agree": TEXT}`, which must be
the same at all parties. A party ends with 0 when it is done, and when its standard input is closed.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from obclip_cli.errors import UserError

Heard = Callable[[int, dict[str, Any]], None]
PATIENCE = 5.0  # seconds for a party to end when it is told to
HOST = "127.0.0.1"


def script_rows(python: Path, script: str, *words: str, **variables: str) -> list[dict[str, Any]]:
    """The lines of JSON that a script of this folder prints, such as `homomorphic.py` with `ckks` or `pir`.

    Args:
        python: of the environment that the script needs.
        variables: of the process, beside our own.

    Raises:
        UserError: it fails.
    """
    command = [str(python), str(Path(__file__).with_name(script)), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | variables)
    if done.returncode:
        how = (done.stderr.strip() or "no message").splitlines()[-1][:200]
        if done.returncode < 0:  # without a word, as where memory runs out
            how = f"ended by {signal.Signals(-done.returncode).name}"
        raise UserError(f"{script} {words[0]} failed ({how})")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def free_ports(count: int, first: int | None = None) -> list[int]:
    """Ports of the loopback that nobody listens on: those from `first` on, else any.

    Raises:
        UserError: one is in use, or is none.
    """
    wanted = [0] * count if first is None else list(range(first, first + count))
    with ExitStack() as held:
        found = []
        for port in wanted:
            place = held.enter_context(socket.socket())
            try:
                place.bind((HOST, port))
            except (OSError, OverflowError) as error:
                why = getattr(error, "strerror", None) or "no such port"
                raise UserError(f"port {port} is not free ({why}); leave --port out, or take another") from error
            found.append(place.getsockname()[1])
        return found


def run_parties(commands: Sequence[Sequence[str]], heard: Heard) -> None:
    """Start one process a command, and wait until all have ended.

    Args:
        heard: is given the number of the party and each line that it says.

    Raises:
        UserError: a party died, or they do not agree; the others have been ended.
    """
    said: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
    agreed: dict[int, str] = {}
    with ExitStack() as stack:
        parties: list[subprocess.Popen[str]] = []
        stack.callback(_end, parties)
        errors = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands]
        for rank, command in enumerate(commands):
            parties.append(_started(command, errors[rank]))
            threading.Thread(target=_listen, args=(rank, parties[rank], said), daemon=True).start()
        left = len(parties)
        while left:
            rank, line = said.get()
            if line is None:
                left -= 1
                _check_end(rank, parties[rank].wait(), errors[rank])
                continue
            if "agree" in line:
                agreed[rank] = line["agree"]
                _check_agreement(agreed)
            heard(rank, line)


def _started(command: Sequence[str], errors: IO[str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    try:
        # A group of its own: Ctrl-C reaches this process only, which ends all parties.
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, start_new_session=True)
    except OSError as error:
        raise UserError(f"{command[0]} does not start ({error.strerror})") from error


def _listen(rank: int, party: "subprocess.Popen[str]", said: queue.Queue[Any]) -> None:
    assert party.stdout is not None
    for line in party.stdout:
        with suppress(ValueError):  # not everything that a library prints is ours
            found = json.loads(line)
            if isinstance(found, dict):
                said.put((rank, found))
    said.put((rank, None))


def _check_end(rank: int, code: int, errors: IO[str]) -> None:
    if code == 0:
        return
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"stopped with code {code}"
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    words = f": {lines[-1][:200]}" if lines else ""
    raise UserError(
        f"party {rank} {how}{words}; the others were ended, finished steps are kept: type the same command again"
    )


def _check_agreement(agreed: dict[int, str]) -> None:
    if len(set(agreed.values())) > 1:
        told = ", ".join(f"party {rank} {word}" for rank, word in sorted(agreed.items()))
        raise UserError(f"the parties do not hold the same weights ({told}); give all of them the same model")


def _end(parties: Sequence["subprocess.Popen[str]"]) -> None:
    """End what still runs, with its children."""
    running = [party for party in parties if party.poll() is None]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for party in running:
            with suppress(ProcessLookupError):
                os.killpg(party.pid, number)
        for party in running:
            with suppress(subprocess.TimeoutExpired):
                party.wait(PATIENCE)
    for party in parties:
        for pipe in (party.stdin, party.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
