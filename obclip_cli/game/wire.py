"""Traffic and timing attacks on real traffic: clients ask a real server, and a proxy between them records.

What a scheme downloads and how long it stays (`Scheme.rows`, `Scheme.stay`) is not used here: the proxy saw it.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd

from obclip_cli.attacks import ATTACKS
from obclip_cli.attacks.knowledge import OWN_CORPUS, Knowledge
from obclip_cli.attacks.transcript import Exchange, read_transcripts
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, PrivacyConfig
from obclip_cli.cost.link import Connection, Link
from obclip_cli.cost.wire import served
from obclip_cli.device.client import Query
from obclip_cli.device.remote import BYTES, RemoteCloud
from obclip_cli.game.play import Game
from obclip_cli.game.run import users_for
from obclip_cli.game.schemes import Scheme
from obclip_cli.game.scoring import score_run
from obclip_cli.pipeline import load_pipelines

RATE = 2e6  # bits a second: slow enough for the time of an answer to be seen
ATTACKED = ("traffic", "timing")
MAX_CANDIDATES = 64
Ask = Callable[[str, Query, bytes], None]


def attack_recorded(config: Config, folder: Path, users: int) -> pd.DataFrame:
    """Both attacks on as many users' requests, sent by the device as it is and by one that hangs up early.

    Args:
        folder: for the transcripts and the truth.

    Returns:
        one row a client and attack, as `game.scoring.score_run` gives them.
    """
    config = replace(config, hybrid=replace(config.hybrid, switch_point=1, handover="restart", timestep_shift=0))
    cloud, device = load_pipelines(config.pair)
    server = CloudServer(cloud, batch=config.rows_at_once, cache=config.cache)
    players = users_for(config, repeats=1, others=1)
    knowledge = Knowledge(players.taxonomy, config.pair, OWN_CORPUS, None)
    clients: dict[str, tuple[Ask, str]] = {"obclip": (_as_it_is, ""), "hangs up after its row": (_hangs_up, "timing")}
    parts = []
    for name, (ask, caught_by) in clients.items():
        with served(config, server) as port, Link(port, rate=RATE) as link:

            def recorded(query: Query, message: bytes, ask: Ask = ask, link: Link = link) -> Exchange:
                ask(link.url, query, message)
                return exchange(message, link.connections[-1])

            game = Game(config, device, server, players, users, recorded)
            game.play(Scheme(PrivacyConfig("all", 0.0, MAX_CANDIDATES)), folder / name.replace(" ", "-"))
        transcripts = read_transcripts(folder / name.replace(" ", "-"))
        attacks = {attack: ATTACKS[attack](knowledge) for attack in ATTACKED}
        parts.append(
            score_run(folder / name.replace(" ", "-"), transcripts, attacks).assign(client=name, planted_for=caught_by)
        )
    return pd.concat(parts, ignore_index=True)


def exchange(message: bytes, connection: Connection) -> Exchange:
    """What a recorded connection tells: bytes and rows that came down, how long that took, how long all would have.

    Times count from the first byte of the answer: before it nothing depends on the client.
    """
    head, _, body = bytes(connection.down.content).partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
    header = int.from_bytes(body[:8], "little") + 8
    rows = len(Exchange(message).prompts)
    arrived = max(0, len(body) - header) * rows // (length - header)
    took = connection.down.times[-1] - connection.down.times[0]
    whole = 8 * (len(head) + length) / RATE
    return Exchange(message, len(body), tuple(range(arrived)), max(took, whole), took)


def _as_it_is(url: str, _: Query, message: bytes) -> None:
    remote = RemoteCloud(url, token=None)
    remote.answer(message)
    remote.close()


def _hangs_up(url: str, query: Query, message: bytes) -> None:
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
