"""The process of `obclip serve`: `python -m obclip_cli.cloud KEY=VALUE ...`.

A process of its own, so that what reads requests has never loaded a module of the client's side.
"""

import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from obclip_cli.cloud.http import create_app, load_server
from obclip_cli.compose import compose_config
from obclip_cli.config import Config, ServeConfig
from obclip_cli.diffusion import backend
from obclip_cli.errors import UserError
from obclip_cli.protocol import is_loopback, read_token

CONNECTIONS = 1024


def main(overrides: list[str]) -> None:
    """Load, listen, serve until SIGTERM or Ctrl-C.

    Raises:
        UserError: the configuration, the model, the token or the address is not usable.
    """
    backend.by_command_line()
    config = compose_config(overrides)
    serve = config.serve
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("obclip.serve").setLevel(logging.INFO)
    token = read_token(serve.token_file)
    check_address(serve, token)
    if serve.log_prompts:
        _warn("--log-prompts writes every prompt to the log; it is there for the attack game")
    if serve.replicas:
        from obclip_cli.cloud.replicas import serve_replicas

        serve_replicas(config, token, said(config, serve.port))
        return
    server = load_server(config)
    listening = listen(serve)
    app = create_app(config, lambda: server, token)
    print(said(config, listening.getsockname()[1]), flush=True)
    Stopping(app, uvicorn_config(app, serve)).run([listening])


def said(config: Config, port: int) -> str:
    """Where it listens and what it serves."""
    serve, pair = config.serve, config.pair
    scheme = "https" if serve.tls_cert else "http"
    host = f"[{serve.host}]" if ":" in serve.host else serve.host
    copies = f"{serve.replicas} copies, " if serve.replicas else ""
    return (
        f"obclip serves {pair.name} on {scheme}://{host}:{port} "
        f"({copies}{pair.cloud.scheduler}, {pair.dtype}, cache {config.cache.name}, {config.rows_at_once} rows at once)"
    )


def check_address(serve: ServeConfig, token: str | None) -> None:
    """Refuse to serve the world without a token, and warn where it would be without TLS.

    Raises:
        UserError: no token, or half of a certificate.
    """
    if (serve.tls_cert is None) != (serve.tls_key is None):
        raise UserError("TLS needs a certificate and its key: give both --tls-cert and --tls-key")
    for file in (serve.tls_cert, serve.tls_key):
        if file is not None and not Path(file).is_file():
            raise UserError(f"there is no file {file}; give a certificate and its key in PEM format")
    if is_loopback(serve.host):
        return
    if token is None:
        raise UserError(
            f"without a token only this machine is served, not {serve.host}; set OBCLIP_TOKEN or give --token-file"
        )
    if serve.tls_cert is None:
        _warn(f"{serve.host} is served without TLS: token and prompts can be read on the way; give --tls-cert")


def listen(serve: ServeConfig) -> socket.socket:
    """A socket on the configured address; port 0 takes a free one.

    Raises:
        UserError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in serve.host else socket.AF_INET
    try:
        return socket.create_server((serve.host, serve.port), family=family, backlog=CONNECTIONS)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {serve.host} port {serve.port} ({error}); choose another with --host or --port"
        ) from error


def uvicorn_config(app: FastAPI, serve: ServeConfig) -> uvicorn.Config:
    """uvicorn without its own logs, which name clients and paths."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        ssl_certfile=serve.tls_cert,
        ssl_keyfile=serve.tls_key,
    )


class Stopping(uvicorn.Server):
    """uvicorn that, on its first signal, refuses the requests that wait and finishes those that run."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.app.state.cloud.worker.stop_soon()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"obclip: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
