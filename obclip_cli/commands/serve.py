"""`obclip serve`: the large model behind HTTP."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.errors import UserError

EPILOG = """
Examples:

obclip serve --pair mini

obclip serve --pair sd14-bksdm-small cache=paper_k10 --host 0.0.0.0 --token-file token --tls-cert c.pem --tls-key k.pem

obclip serve --ray --replicas 2
"""
NEEDED = {"fastapi": "serve", "uvicorn": "serve", "prometheus_client": "serve"}


def serve(
    overrides: o.Overrides = None,
    pair: o.Pair = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="8000 by default; 0 takes a free one.")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="Holds the bearer token.")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate in PEM format.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key.")] = None,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Write every prompt to the log: for the attack game.")
    ] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Several copies of the model under Ray Serve.")] = False,
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="With --ray: how many.")] = 2,
) -> None:
    """Serve a pair's large model to devices that run `obclip generate --server URL`."""
    options: dict[str, object | None] = {
        "pair": pair,
        "serve.host": host,
        "serve.port": port,
        "serve.token_file": token_file,
        "serve.tls_cert": tls_cert,
        "serve.tls_key": tls_key,
        "serve.log_prompts": log_prompts or None,
        "serve.replicas": replicas if ray else None,
    }
    said = [f"{key}={value}" for key, value in options.items() if value is not None]
    given = [*(overrides or []), *said]
    o.compose_from(given)
    for module, extra in (NEEDED | ({"ray": "cluster"} if ray else {})).items():
        if importlib.util.find_spec(module) is None:
            raise UserError(f"`obclip serve` needs {module}; pip install 'obclip[{extra}]'")
    # A fresh interpreter: this one has loaded the client's side, which a server must not hold.
    os.execv(sys.executable, [sys.executable, "-m", "obclip_cli.cloud", *given])
