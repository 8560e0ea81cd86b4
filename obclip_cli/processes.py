"""The processes that share a run, one a GPU, as accelerate's launcher starts them; usually there is one."""

from datetime import timedelta

from accelerate import PartialState

PATIENCE = timedelta(days=7)  # how long they wait for the slowest


def processes() -> PartialState:
    """This process's place among them."""
    return PartialState(timeout=PATIENCE)


def is_first() -> bool:
    """Whether this process is the one that scores and speaks."""
    first: bool = processes().is_main_process
    return first
