"""How many threads torch computes with: as many as there are idle cores, unless the user says.

Two processes with two threads each on two cores wait for one another in every operation, and take several times as
long as with one thread each.
"""

import os
import sys
from pathlib import Path

from obclip_cli.errors import UserError

VARIABLE = "OMP_NUM_THREADS"  # read by torch and by the libraries under it when they are loaded


def asked_for(arguments: list[str]) -> int | None:
    """Take `--threads N` out of a command line, wherever it stands.

    Raises:
        UserError: N is no number of threads.
    """
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if argument == "--":
            break
        if option == "--threads":
            value = value if equals else "".join(arguments[place + 1 : place + 2])
            if not value.isdecimal() or not 1 <= int(value) <= 1024:
                raise UserError(f"--threads {value} is no number of threads; write --threads 2")
            del arguments[place : place + (1 if equals else 2)]
            return int(value)
    return None


def choose(asked: int | None) -> str | None:
    """Set the number of threads for this process and those that it starts.

    As asked, else as the environment says, else the idle cores; nothing where torch is loaded and nobody has asked.

    Returns:
        What to tell whoever did not ask, where other work has taken cores.
    """
    if asked is not None:
        os.environ[VARIABLE] = str(asked)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(asked)
    elif not os.environ.get(VARIABLE) and "torch" not in sys.modules:
        os.environ[VARIABLE] = str(idle := idle_cores())
        if idle < cores():
            return f"computes on {in_words()}, as other work keeps the rest busy; --threads N takes another number"
    return None


def cores() -> int:
    """Cores that this process may use: by its affinity, without the second thread of each, and by its quota."""
    may = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    try:
        topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        found = len({Path(topology.format(core)).read_text() for core in may})
    except OSError:
        found = len(may)
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        found = found if quota == "max" else min(found, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return max(1, found)


def idle_cores() -> int:
    """Cores that this process may use and that no other keeps busy, at least one.

    Busy is what was so in the last minute and is so now: the load alone remembers a command that has just ended.
    """
    if not hasattr(os, "getloadavg"):
        return cores()
    busy = os.getloadavg()[0]
    try:
        running = Path("/proc/loadavg").read_text().split()[3].partition("/")[0]
        busy = min(busy, int(running) - 1)
    except (OSError, ValueError, IndexError):
        pass
    return max(1, min(cores(), round((os.cpu_count() or 1) - busy)))


def in_words() -> str:
    """As in "1 thread of 2 cores"."""
    used = os.environ.get(VARIABLE, "")
    return f"{used} thread{'' if used == '1' else 's'} of {cores()} cores" if used.isdecimal() else f"{cores()} cores"
