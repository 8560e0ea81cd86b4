"""Requests as they cross a real wire: a client asks a real server, and a proxy between them records what passes."""

import math
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from obclip_cli.attacks.transcript import Exchange
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config
from obclip_cli.cost.link import Connection, Link
from obclip_cli.cost.wire import served
from obclip_cli.device.client import Query
from obclip_cli.device.remote import BYTES, RemoteCloud
from obclip_cli.diffusion.models import latent_shape

ANSWER = 0.08  # seconds that an answer is on the line, so that it is seen when a client leaves
CHUNK = 1 << 9
Ask = Callable[[str, Query, bytes], None]


class Wire:
    """A server and the recorded line to it, as a context manager."""

    def __init__(self, config: Config, server: CloudServer) -> None:
        self.config, self.server = config, server
        self.open = ExitStack()

    def __enter__(self) -> "Wire":
        port = self.open.enter_context(served(self.config, self.server))
        self.link = self.open.enter_context(Link(port, chunk=CHUNK))
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def recorded(self, ask: Ask, query: Query, message: bytes) -> Exchange:
        """What was seen of one request and its answer."""
        pipeline, rows = self.server.pipeline, len(query.candidates.prompts)
        self.link.rate = 8 * rows * math.prod(latent_shape(pipeline)) * pipeline.unet.dtype.itemsize / ANSWER
        ask(self.link.url, query, message)
        seen = exchange(message, self.link.connections[-1], self.link.rate)
        self.link.connections.clear()
        return seen


def exchange(message: bytes, connection: Connection, rate: float) -> Exchange:
    """What a recorded connection tells: bytes and rows that came down, how long that took, how long all would have.

    Times count from the first byte of the answer: before it nothing depends on the client.

    Args:
        rate: bits a second of the line.
    """
    content, start = bytes(connection.down.content), 0
    while True:  # the answer is the last one on the connection: the server's offer may come before it
        head, _, body = content[start:].partition(b"\r\n\r\n")
        lines = head.lower().splitlines()
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length"))
        if len(body) <= length:
            break
        start += len(head) + 4 + length
    header = int.from_bytes(body[:8], "little") + 8
    rows = len(Exchange(message).prompts)
    arrived = max(0, len(body) - header) * rows // (length - header)
    first = next((place for place, end in enumerate(connection.down.ends) if end > start), 0)
    took = connection.down.times[-1] - connection.down.times[first]
    return Exchange(message, len(body), tuple(range(arrived)), max(took, 8 * (len(head) + length) / rate), took)


def as_it_is(url: str, _: Query, message: bytes) -> None:
    """The device: it stays for the whole answer."""
    remote = RemoteCloud(url, token=None)
    remote.answer(message)
    remote.close()


def hangs_up(url: str, query: Query, message: bytes) -> None:
    """A control that must fail: it closes the connection when its own row has arrived."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as line, suppress(OSError):
        line.sendall(f"POST /denoise HTTP/1.1\r\nHost: x\r\nContent-Type: {BYTES}\r\n".encode())
        line.sendall(f"Content-Length: {len(message)}\r\n\r\n".encode() + message)
        answer = b""
        while chunk := line.recv(1 << 10):
            answer += chunk
            head, _, body = answer.partition(b"\r\n\r\n")
            if not body:
                continue
            lines = head.lower().splitlines()
            length = next(int(part.split(b":")[1]) for part in lines if part.startswith(b"content-length"))
            if len(body) * len(query.candidates.prompts) >= length * (query.candidates.index + 1):
                return
