"""The recording proxy tells the truth, and what is measured through it is what crossed the line."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli.compose import compose_config
from obclip_cli.cost import wire
from obclip_cli.cost.link import Connection, Link, Passed
from obclip_cli.device.remote import RemoteCloud
from obclip_cli.game.wire import exchange
from obclip_cli.protocol import CloudRequest, CloudResponse
from tests.cloud.serving import request, serving
from tests.conftest import Run, assert_one_line_error

SIZE = 20_000


@pytest.mark.parametrize(("rate", "delay"), [(None, 0.0), (1e6, 0.0), (None, 0.1), (1e6, 0.1)])
def test_a_line_takes_as_long_as_its_rate_and_delay_say(rate: float | None, delay: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(bytes(range(200)) * (SIZE // 200))

        threading.Thread(target=send, daemon=True).start()
        with Link(server.getsockname()[1], rate=rate, delay=delay) as link:
            port = int(link.url.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as line:
                started = time.perf_counter()
                line.sendall(b"x")
                content = b""
                while chunk := line.recv(1 << 16):
                    content += chunk
                took = time.perf_counter() - started
            assert link.seen() == (1, SIZE)
    assert content == bytes(range(200)) * (SIZE // 200)
    assert took >= (8 * SIZE / rate if rate else 0) + 2 * delay


def test_measured_bytes_are_those_of_the_messages_and_of_http(tiny_pair: list[str]) -> None:
    config = compose_config(tiny_pair)
    stub = wire.stub(config, (4, 16, 16), "float16")
    with wire.served(config, stub) as port, Link(port) as link:
        remote = RemoteCloud(link.url, token=None)
        message = CloudRequest(("a man",) * 3, 25, 0, 5, 7.0, 0).to_bytes()
        remote.offer(25)
        before = link.seen()
        answer = remote.answer(message)
        remote.close()
    assert CloudResponse.from_bytes(answer).latents.shape == (3, 4, 16, 16)
    up, down = (now - then for now, then in zip(link.seen(), before, strict=True))
    assert len(message) < up < len(message) + 1000
    assert len(answer) < down < len(answer) + 1000


def test_load_counts_what_was_served(tiny_pair: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLIENTS", (1, 3))
    monkeypatch.setattr(wire, "LOAD_REQUESTS", 6)
    config = compose_config(tiny_pair)
    with wire.served(config, wire.stub(config, (4, 8, 8), "float32")) as port:
        table = wire.load(f"http://127.0.0.1:{port}", 25, lambda _: None)
    assert list(table["served"]) == list(table["requests"]) == [6, 6, 6, 6]
    assert (table["p95_seconds"] >= table["median_seconds"]).all()


def test_a_recorded_exchange_tells_rows_and_times_by_what_arrived() -> None:
    message = request(4).to_bytes()
    body = (8).to_bytes(8, "little") + bytes(8) + bytes(400)
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}".encode()
    offer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"  # on the same connection, before it
    for before in (b"", offer):
        for arrived, rows in ((len(body), (0, 1, 2, 3)), (len(body) - 200, (0, 1)), (16, ())):
            content = bytearray(before + head + b"\r\n\r\n" + body[:arrived])
            ends = [len(before), len(before) + 1, len(content)]
            seen = exchange(message, Connection(down=Passed(content, [0.0, 1.0, 2.0], ends)), 8e3)
            assert (seen.rows_down, seen.bytes_down) == (rows, arrived)
            assert seen.stay_seconds == 1.0
            assert seen.work_seconds == max(1.0, (len(head) + len(body)) / 1e3)


def test_profile_wire_writes_its_tables(
    obclip: Callable[..., Run], tiny_pair: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"SHAPES": {"tiny": (4, 8, 8)}, "CANDIDATES": (2,), "RATES": (100,), "END_TO_END_RATES": (10,)}
    for name, value in (small | {"CLIENTS": (1, 2), "LOAD_REQUESTS": 2, "SWITCH_POINTS": (1, 2)}).items():
        monkeypatch.setattr(wire, name, value)
    monkeypatch.setattr("obclip_cli.commands.profile_wire.USERS", 2)
    steps = ["hybrid.steps=4", "hybrid.switch_point=2"]
    with serving([*tiny_pair, *steps]) as served:
        remote = f"cloud.server={served.url}"
        run = obclip("profile", "--wire", *tiny_pair, *steps, remote, "-o", str(tmp_path))
    assert run.code == 0, run.err
    whole = pd.read_csv(tmp_path / "end_to_end.csv")
    assert set(whole["method"]) == {"cloud only", "ObCLIP, k = 1", "ObCLIP, k = 2", "device only"}
    assert (whole.loc[whole["method"] == "device only", "wire_bytes_down"] == 0).all()
    exchanges = pd.read_csv(tmp_path / "exchanges.csv")
    assert (exchanges["wire_bytes_down"] > exchanges["payload_bytes_down"]).all()
    assert {path.name for path in tmp_path.glob("*.md")} == {"exchanges.md", "end_to_end.md", "load.md", "attacks.md"}
    assert (tmp_path / "wire.png").exists()
    foreign = obclip("profile", "--wire", *tiny_pair, *steps, "cloud.server=http://example.com", "-o", str(tmp_path))
    assert_one_line_error(foreign, "on this machine only")
