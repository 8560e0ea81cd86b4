"""A served tiny model for tests: in a thread, or in a process of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvicorn
from fastapi import FastAPI

from obclip_cli.cloud.__main__ import Stopping, listen, uvicorn_config
from obclip_cli.cloud.http import Cloud, create_app, load_server
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.protocol import CloudRequest

BYTES = {"content-type": "application/octet-stream"}
STEP = 0.1  # seconds that a slowed step takes


@dataclass
class Served:
    """A server in a thread."""

    url: str
    config: Config
    server: CloudServer
    app: FastAPI

    @property
    def cloud(self) -> Cloud:
        return self.app.state.cloud

    def post(self, message: bytes, **headers: str) -> httpx2.Response:
        return httpx2.post(f"{self.url}/denoise", content=message, headers=BYTES | headers, timeout=60)


@contextmanager
def serving(overrides: list[str], *, token: str | None = None, step: float = 0.0) -> Iterator[Served]:
    """Serve on a free port; every step of the model takes `step` seconds longer."""
    config = compose_config([*overrides, "serve.port=0"])
    server = load_server(config)
    if step:
        server.pipeline.unet.register_forward_pre_hook(lambda *_: time.sleep(step))
    app = create_app(config, lambda: server, token)
    with running(app, listening := listen(config.serve), uvicorn_config(app, config.serve)):
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", config, server, app)


@contextmanager
def running(app: FastAPI, listening: socket.socket, config: uvicorn.Config | None = None) -> Iterator[None]:
    """Any application on a socket, in a thread."""
    server = Stopping(app, config or uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


class Process:
    """`obclip serve` as a user starts it; modules in `folder` are found first, and its log is written there."""

    def __init__(self, overrides: list[str], folder: Path) -> None:
        command = [sys.executable, "-m", "obclip_cli.main", "serve", *overrides, "--port", "0"]
        environment = os.environ | {"PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
        self.log = folder / "log"
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        assert " on http" in self.said, self.log.read_text()
        self.url = next(word for word in self.said.split() if word.startswith("http"))

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        return self.process.wait(timeout=60)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.wait()


def request(count: int = 2, stop: int = 2, seed: int = 1, steps: int = 4) -> CloudRequest:
    """A small request."""
    return CloudRequest(tuple(f"a person {place}" for place in range(count)), steps, 0, stop, 3.0, seed)


def until(met: object, seconds: float = 10.0) -> None:
    """Wait until a condition holds."""
    assert callable(met)
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
