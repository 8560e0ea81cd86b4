"""A recording proxy for one server on this machine: it delays and throttles what passes, and keeps what it saw.

It stands in for `tc netem`, which needs a kernel module; slow start and losses of a real line are not in it.
"""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 1 << 12
ON_THE_WAY = 512  # chunks that the line holds in each direction


@dataclass
class Passed:
    """One direction of one connection.

    Attributes:
        content: the bytes that arrived at the other end.
        times: seconds on a clock of one's own when each chunk of them arrived.
        ends: how many bytes there were then.
        closed: when this end was closed.
    """

    content: bytearray = field(default_factory=bytearray)
    times: list[float] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    closed: float | None = None


@dataclass
class Connection:
    """What passed over one connection: up to the server, down to the client."""

    up: Passed = field(default_factory=Passed)
    down: Passed = field(default_factory=Passed)


class Link:
    """A line to a server, as a context manager.

    Args:
        port: the server's, on 127.0.0.1.
        rate: bits a second in each direction, shared by all connections; None does not throttle.
        delay: seconds one way.
        chunk: bytes that pass at once.
    """

    def __init__(self, port: int, *, rate: float | None = None, delay: float = 0.0, chunk: int = CHUNK) -> None:
        self.port, self.rate, self.delay, self.chunk = port, rate, delay, chunk
        self.connections: list[Connection] = []
        self.url = ""
        self._free = {"up": 0.0, "down": 0.0}
        self._listening = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "Link":
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def seen(self) -> tuple[int, int]:
        """Bytes (up, down) so far, with HTTP's own."""
        return (
            sum(len(connection.up.content) for connection in self.connections),
            sum(len(connection.down.content) for connection in self.connections),
        )

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(connection := Connection())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ways = (
            self._pass("up", reader, far_writer, connection.up),
            self._pass("down", far_reader, writer, connection.down),
        )
        tasks = [asyncio.ensure_future(way) for way in ways]
        with suppress(asyncio.CancelledError):  # the line is taken down
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        connection.up.closed = connection.down.closed = time.perf_counter()
        for task in tasks:
            task.cancel()
        for end in (writer, far_writer):
            with suppress(OSError):
                end.close()

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: Passed) -> None:
        """Until this end closes, and then until what is on the line has arrived."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        arriving = asyncio.ensure_future(self._arrive(line, writer, passed))
        try:
            with suppress(OSError):
                while chunk := await reader.read(self.chunk):
                    await line.put((self._due(way, len(chunk)), chunk))
            await line.put((0.0, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(
        self, line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, passed: Passed
    ) -> None:
        with suppress(OSError):
            while (waiting := await line.get())[1]:
                due, chunk = waiting
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                passed.content += chunk  # before it is written: whoever has received it may look at once
                passed.times.append(time.perf_counter())
                passed.ends.append(len(passed.content))
                writer.write(chunk)
                await writer.drain()

    def _due(self, way: str, size: int) -> float:
        """When a chunk has arrived: after those before it, at the line's rate, and the delay."""
        now = time.perf_counter()
        if self.rate is not None:
            self._free[way] = now = max(now, self._free[way]) + 8 * size / self.rate
        return now + self.delay
