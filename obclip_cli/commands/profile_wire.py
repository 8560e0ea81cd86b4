"""`obclip profile --wire`: what a real wire costs, how many clients it serves, and what who listens may guess."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import httpx2
import pandas as pd
import typer

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.cost import wire
from obclip_cli.errors import UserError, require
from obclip_cli.game.run import Arena, run_matrix, schemes_of, users_for
from obclip_cli.game.wire import ANSWER
from obclip_cli.protocol import is_loopback
from obclip_cli.report.progress import progress_bars
from obclip_cli.report.tables import write_table
from obclip_cli.report.wire_plot import plot_wire

PACKAGES = ("fastapi", "uvicorn", "starlette", "httpx2")
USERS = 20  # whose requests are recorded, for each of two clients
CLIENTS = ["all", "hangs-up"]


def profile_wire(config: Config, folder: Path) -> None:
    """Measure all, a table each, with what ran where beside them.

    Raises:
        UserError: the folder cannot be written, or the server is not on this machine.
    """
    local = config.cloud.server is None or is_loopback(httpx2.URL(config.cloud.server).host)
    require(local, "load is measured on this machine only; give the loopback address of a server here")
    runs.check_writable(folder)
    busy = [round(load, 2) for load in os.getloadavg()]
    where = f"{config.pair.name} on {runs.environment()['processor']}, loopback"
    line = f"{1000 * wire.DELAY:.0f} ms one way where a rate is given"

    def keep(name: str, table: pd.DataFrame, caption: str) -> pd.DataFrame:
        write_table(table, folder / name, caption=f"{caption}; {where}")
        return table

    with progress_bars() as bar:
        advance = bar("exchanges", 6 * (1 + len(wire.RATES)))
        exchanges = wire.bytes_and_seconds(config, advance)
        keep("exchanges", exchanges, f"One exchange with a server that computes nothing; {line}")
        whole = wire.end_to_end(config, bar("end to end", 1 + len(wire.END_TO_END_RATES)))
        keep("end_to_end", whole, f"Prompt to final latents; {line}")
        advance = bar("clients", len(wire.LOAD_STEPS) * len(wire.CLIENTS))
        with server_process(config) as url:
            served = wire.load(url, config.hybrid.steps, advance)
        keep("load", served, "Clients that ask again when served, 2 candidates, k = 2 or none")
        here = replace(config, cloud=replace(config.cloud, server=None))
        arena = Arena(here, users=users_for(config, repeats=1, others=1), answered=USERS)
        schemes = schemes_of(arena, CLIENTS, 0.0)
        guesses = run_matrix(arena, schemes, ["traffic", "timing"], folder / "recorded", bar)
        keep("attacks", guesses, f"Attacks on recorded traffic, {USERS} requests each, {ANSWER} s an answer")
    plot_wire(whole, exchanges, folder / "wire.png", title="What the wire costs")
    runs.start(folder, config)
    versions = {name: version(name) for name in PACKAGES}
    runs.write_environment(folder, models=runs.models(config), serving=versions, load_average_before=busy)
    for name in ("end_to_end", "load", "attacks"):
        typer.echo((folder / f"{name}.md").read_text(encoding="utf-8"))
    typer.echo(f"written to {folder}")


@contextmanager
def server_process(config: Config) -> Iterator[str]:
    """The pair behind `obclip serve` in a process of its own, or the server of `cloud.server`; gives its address.

    Raises:
        UserError: the process does not start.
    """
    if config.cloud.server is not None:
        yield config.cloud.server
        return
    settings = [f"pair={config.pair.name}", "serve.port=0", f"serve.queue={max(wire.CLIENTS)}"]
    command = [sys.executable, "-m", "obclip_cli.cloud", *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if " on http" not in said:
            raise UserError(f"`obclip serve {' '.join(settings)}` does not start; type it to see why")
        try:
            yield next(word for word in said.split() if word.startswith("http"))
        finally:
            process.terminate()
