"""What crosses a real wire, how long it takes, and how many clients one server serves: measured on this machine.

Everything runs on 127.0.0.1 and is bounded in count and time.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import httpx2
import pandas as pd
import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.__main__ import Stopping, listen, uvicorn_config
from obclip_cli.cloud.http import create_app
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, ServeConfig, taxonomy_path
from obclip_cli.cost.link import Link
from obclip_cli.device.client import Client
from obclip_cli.device.remote import BYTES, RemoteCloud
from obclip_cli.diffusion.denoise import State
from obclip_cli.diffusion.models import default_device, latent_shape, load_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.protocol import CloudRequest, CloudResponse

PROMPT = "a woman firefighter with dark skin"
CANDIDATES = (2, 6, 10, 30)
SWITCH_POINTS = (5, 10)
# (c, h, w) of one latent.
SHAPES = {"mini": (8, 16, 16), "SD 512x512": (4, 64, 64), "SDXL 1024x1024": (4, 128, 128)}
DELAY = 0.02  # seconds one way, of the emulated lines
RATES = (10, 100)  # megabits a second, for every size
END_TO_END_RATES = (0.1, 0.3, 1, 3, 10, 100)
REPEATS = 3
CLIENTS = (1, 4, 16, 64)
LOAD_STEPS = (0, 2)
LOAD_REQUESTS, LOAD_SECONDS = 32, 60.0  # of one row of the load table; a client that has begun may finish
Advance = Callable[[int], None]


class Stub(CloudServer):
    """A server that answers at once with random latents of a size: what is left is the wire."""

    def denoise(self, request: CloudRequest) -> State:
        shape = (len(request.candidates), *latent_shape(self.pipeline))
        return State(torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.pipeline.unet.dtype))


def stub(config: Config, shape: tuple[int, int, int], dtype: str) -> Stub:
    """The pair's own model made to look like one of another latent size; it never runs."""
    pipeline = load_pipeline(config.pair.cloud, dtype=config.pair.dtype, device="cpu")
    pipeline.unet.to(getattr(torch, dtype)).register_to_config(in_channels=shape[0], sample_size=shape[1])
    return Stub(pipeline, batch=config.rows_at_once)


@contextmanager
def served(config: Config, server: CloudServer) -> Iterator[int]:
    """A server on a free port of this process; gives the port."""
    config = replace(config, serve=ServeConfig(port=0, queue=max(CLIENTS)))
    app = create_app(config, lambda: server, None)
    listening = listen(config.serve)
    running = Stopping(app, uvicorn_config(app, config.serve))
    thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join()


def bytes_and_seconds(config: Config, advance: Advance) -> pd.DataFrame:
    """Bytes and seconds of one exchange for each size, dtype, N and k, on loopback and through emulated lines.

    Bytes are those of the connection, with HTTP's own; payload bytes are the messages. The connection is open, as for
    every request but a device's first.
    """
    rows: list[dict[str, object]] = []
    for name, shape in SHAPES.items():
        for dtype in ("float16", "float32"):
            with served(config, stub(config, shape, dtype)) as port:
                for rate in (None, *RATES):
                    with Link(port, rate=rate and rate * 1e6, delay=DELAY if rate else 0.0) as link:
                        rows += _exchanges(config, link, {"size": name, "dtype": dtype, "rate_mbit": rate})
                    advance(1)
    return pd.DataFrame(rows)


def _exchanges(config: Config, link: Link, facts: dict[str, object]) -> Iterator[dict[str, object]]:
    remote = RemoteCloud(link.url, token=None)
    for candidates in CANDIDATES:
        for k in SWITCH_POINTS:
            request = CloudRequest((PROMPT,) * candidates, config.hybrid.steps, 0, k, 7.0, 0)
            message = request.to_bytes()
            answer = remote.answer(message)  # opens the connection, reads the offer
            before, times = link.seen(), []
            repeats = REPEATS if facts["rate_mbit"] is None else 1
            for _ in range(repeats):
                started = time.perf_counter()
                remote.answer(message)
                times.append(time.perf_counter() - started)
            up, down = ((now - then) // repeats for now, then in zip(link.seen(), before, strict=True))
            seconds = statistics.median(times)
            yield facts | {
                "candidates": candidates,
                "k": k,
                "payload_bytes_up": len(message),
                "payload_bytes_down": len(answer),
                "wire_bytes_up": up,
                "wire_bytes_down": down,
                "seconds": seconds,
                # What a step on the device must take at least, for k steps saved to be worth the wire.
                "worth_it_above_seconds_a_step": seconds / k,
            }
    remote.close()


def end_to_end(config: Config, advance: Advance) -> pd.DataFrame:
    """Seconds from prompt to final latents at each rate: the cloud alone, ObCLIP for each k, the device alone.

    Both sides run on this machine's processor, in turn.
    """
    cloud = load_pipeline(config.pair.cloud, dtype=config.pair.dtype, device=default_device())
    device = load_pipeline(config.pair.device, dtype=config.pair.dtype, device=default_device())
    clients = {k: _client(config, device, k) for k in SWITCH_POINTS}
    whole = split(
        config.pair, replace(config.hybrid, switch_point=config.pair.cloud.steps or config.hybrid.steps)
    ).cloud
    alone = CloudRequest((PROMPT,), whole.steps, 0, whole.steps, whole.guidance_scale, config.seed).to_bytes()
    rows = []
    with served(config, CloudServer.of(config, cloud)) as port:
        for rate in (*END_TO_END_RATES, None):
            with Link(port, rate=rate and rate * 1e6, delay=DELAY if rate else 0.0) as link:
                remote = RemoteCloud(link.url, token=None)
                remote.offer(whole.steps)
                ways: dict[str, Callable[[], object]] = {"cloud only": partial(remote.answer, alone)}
                for k, client in clients.items():
                    ways[f"ObCLIP, k = {k}"] = partial(_obclip, client, remote, config.seed)
                client = clients[SWITCH_POINTS[0]]
                ways["device only"] = partial(client.alone, client.prepare(PROMPT, config.seed))
                for name, way in ways.items():
                    started, before = time.perf_counter(), link.seen()
                    way()
                    seconds, (up, down) = time.perf_counter() - started, link.seen()
                    facts = {"rate_mbit": rate, "method": name, "seconds": seconds}
                    rows.append(facts | {"wire_bytes_up": up - before[0], "wire_bytes_down": down - before[1]})
                remote.close()
            advance(1)
    return pd.DataFrame(rows)


def _client(config: Config, device: DiffusionPipeline, k: int) -> Client:
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    divided = split(config.pair, replace(config.hybrid, switch_point=k))
    return Client(device, taxonomy, divided, replace(config.privacy, strategy="all"))


def _obclip(client: Client, remote: RemoteCloud, seed: int) -> None:
    query = client.prepare(PROMPT, seed)
    answer = CloudResponse.from_bytes(remote.answer(client.request(query).to_bytes()))
    client.finish(query, client.select(query, answer))


def load(url: str, steps: int, advance: Advance) -> pd.DataFrame:
    """Requests a second and seconds a request for 1, 4, 16 and 64 clients that each ask again when they are served.

    Args:
        url: a server on this machine, whose queue holds all clients.
        steps: T; of them the cloud is asked for two, with two candidates, and for none, which leaves the wire alone.
    """
    rows = []
    for asked in LOAD_STEPS:
        message = CloudRequest((PROMPT, PROMPT.replace("dark", "light")), steps, 0, asked, 2.0, 0).to_bytes()
        for clients in CLIENTS:
            rows.append({"steps": asked, "clients": clients} | _load(url, message, clients))
            advance(1)
    return pd.DataFrame(rows)


def _load(url: str, message: bytes, clients: int) -> dict[str, float]:
    each, end = max(1, LOAD_REQUESTS // clients), time.perf_counter() + LOAD_SECONDS

    def client(_: int) -> list[tuple[int, float]]:
        done: list[tuple[int, float]] = []
        with httpx2.Client(base_url=url, timeout=2 * LOAD_SECONDS) as http, suppress(httpx2.TimeoutException):
            while len(done) < each and (started := time.perf_counter()) < end:
                done.append((0, 0.0))  # in case that it is not answered in time
                answer = http.post("/denoise", content=message, headers={"content-type": BYTES})
                done[-1] = (answer.status_code, time.perf_counter() - started)
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        done = [one for several in pool.map(client, range(clients)) for one in several]
    seconds = time.perf_counter() - started
    served = sorted(took for status, took in done if status == 200)
    answered = len(served)
    served = served or [float("nan")]
    return {
        "requests": len(done),
        "served": answered,
        "requests_a_second": answered / seconds,
        "median_seconds": statistics.median(served),
        "p95_seconds": served[min(len(served) - 1, int(0.95 * len(served)))],
    }
