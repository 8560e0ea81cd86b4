"""Parties are ended together, and one line says what happened: real processes, no SPU."""

import os
import socket
import sys
import time

import pytest

from obclip_cli.errors import UserError
from obclip_cli.secure.launch import free_ports, run_parties

SAY = (
    "import json, os, signal, sys, time\ndef say(**facts): print(json.dumps(facts), flush=True)\nsay(pid=os.getpid())\n"
)
FINE = "print('no JSON'); say(agree='a'); say(step=0)"
WAITS = "say(agree='a'); time.sleep(60)"


def commands(*programs: str) -> list[list[str]]:
    return [[sys.executable, "-c", SAY + program] for program in programs]


def assert_gone(pids: list[int]) -> None:
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_all_parties_are_heard() -> None:
    heard: list[tuple[int, object]] = []
    run_parties(commands(FINE, FINE), lambda rank, line: heard.append((rank, line.get("step"))))
    assert sorted(heard, key=str).count((1, 0)) == heard.count((0, 0)) == 1


@pytest.mark.parametrize(
    ("programs", "words"),
    [
        ([WAITS, "sys.exit('the line is lost')", WAITS], "party 1 stopped with code 1: the line is lost"),
        ([WAITS, WAITS, "os.kill(os.getpid(), signal.SIGKILL)"], "party 2 was ended by SIGKILL; the others"),
        ([WAITS, "say(agree='b'); time.sleep(60)"], "do not hold the same weights"),
    ],
)
def test_when_one_fails_all_are_ended(programs: list[str], words: str) -> None:
    pids: list[int] = []
    started = time.monotonic()
    with pytest.raises(UserError, match=words):
        run_parties(commands(*programs), lambda _, line: pids.append(line["pid"]) if "pid" in line else None)
    assert pids and time.monotonic() - started < 30
    assert_gone(pids)


def test_ctrl_c_leaves_no_party_behind_not_even_one_that_ignores_it() -> None:
    pids: list[int] = []

    def heard(_: int, line: dict[str, object]) -> None:
        if "pid" in line:
            pids.append(int(str(line["pid"])))
        elif "agree" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parties(commands(WAITS, f"signal.signal(signal.SIGINT, signal.SIG_IGN); {WAITS}"), heard)
    assert_gone(pids)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is not free"):
            free_ports(2, port)
    assert len(set(free_ports(3))) == 3


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="/no/such/python does not start"):
        run_parties([["/no/such/python"]], lambda *_: None)
