"""The progress display of long work, on standard error."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

T = TypeVar("T")

ProgressBar = Callable[[str, int], Callable[[int], None]]
MANY = 200  # prompts; reading fewer takes no time to speak of


def watched(prompts: list[T]) -> Iterable[T]:
    """The prompts of a file one by one, with a bar where they are many."""
    return track(prompts, "reading", console=Console(stderr=True), disable=len(prompts) < MANY, transient=True)


@contextmanager
def progress_bars() -> Iterator[ProgressBar]:
    """A function that adds bars: bar(name, total) returns a function to call with each advance."""
    with _display() as progress:
        yield lambda what, total: _task(progress, what, total)[1]


class Experiments:
    """One display over several experiments: which runs, how far it is, and which remain."""

    def __init__(self, progress: Progress, names: list[str]) -> None:
        self.progress, self.names = progress, names
        self.whole = progress.add_task("", total=len(names), visible=len(names) > 1)
        self.inner: list[TaskID] = []

    def begin(self, name: str) -> ProgressBar:
        """Show that an experiment runs, and take the bars of the one before away."""
        place = self.names.index(name)
        left = self.names[place + 1 :]
        remain = f"; then {', '.join(left)}" if left else ""
        self.progress.update(self.whole, completed=place, description=f"{name} ({place + 1} of {len(self.names)})")
        if left or place:
            self.progress.console.print(f"[bold]{name}[/]{remain}", highlight=False, soft_wrap=True)
        for task in self.inner:
            self.progress.remove_task(task)
        self.inner = []
        return self._bar

    def _bar(self, what: str, total: int) -> Callable[[int], None]:
        task, advance = _task(self.progress, f"  {what}", total)
        self.inner.append(task)
        return advance

    def say(self, line: str) -> None:
        """Print a line above the display."""
        self.progress.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def end(self) -> None:
        """All are done."""
        self.progress.update(self.whole, completed=len(self.names), description="experiments")


@contextmanager
def experiment_bars(names: list[str]) -> Iterator[Experiments]:
    """The display for `obclip reproduce`."""
    with _display() as progress:
        yield Experiments(progress, names)


class Parts:
    """What one command is at, as one bar, and the seconds that each finished part took."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.task = progress, progress.add_task("", total=None)
        self.name, self.done = "", 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Show a part while it runs; where it is stopped, `name` and `done` stay."""
        started = time.perf_counter()
        self.show(name, 0, None)
        yield
        self.seconds[name] = time.perf_counter() - started
        self.name = ""

    def show(self, name: str, done: int, total: int | None) -> None:
        """A step of a part has begun, `done` of `total` after it."""
        if name != self.name:
            self.progress.reset(self.task, description=name, total=total)
        self.name, self.done = name, done
        self.progress.update(self.task, completed=done, total=total)


@contextmanager
def parts(*, shown: bool) -> Iterator[Parts]:
    """One bar that goes away at the end."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        yield Parts(progress)


def _display() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _task(progress: Progress, what: str, total: int) -> tuple[TaskID, Callable[[int], None]]:
    task = progress.add_task(what, total=total)
    return task, lambda amount: progress.advance(task, amount)
