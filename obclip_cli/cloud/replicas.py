"""The same application under Ray Serve: several copies of the model, on one machine or many."""

import signal
import threading

import torch
from fastapi import FastAPI
from ray import serve

from obclip_cli.cloud.http import create_app, load_server
from obclip_cli.config import Config
from obclip_cli.diffusion import backend


def serve_replicas(config: Config, token: str | None, said: str) -> None:
    """Run `serve.replicas` copies behind Ray's proxy until SIGTERM or Ctrl-C.

    Each copy has its worker and its queue, and batches by candidates as one process does. Ray carries a whole request
    between processes of this cluster, which trust each other.

    Args:
        said: the line to print when they listen.
    """
    settings = config.serve

    def build() -> FastAPI:
        backend.by_command_line()  # a replica is a process of its own
        return create_app(config, lambda: load_server(config), token)

    resources = {"num_gpus": 1} if torch.cuda.is_available() else {"num_cpus": 1}
    deployment = serve.deployment(
        serve.ingress(build)(),
        name="obclip",
        num_replicas=settings.replicas,
        max_ongoing_requests=2 * (settings.queue + 1),  # progress is asked for beside each request
        ray_actor_options=resources,
    )
    options = {"host": settings.host, "port": settings.port}
    tls = {"ssl_certfile": settings.tls_cert, "ssl_keyfile": settings.tls_key}
    serve.start(http_options=options | {name: file for name, file in tls.items() if file})
    serve.run(deployment.bind(), name="obclip")
    print(said, flush=True)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
