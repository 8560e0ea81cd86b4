"""One model, one thread, a bounded queue: what stands between many clients and one `CloudServer`."""

import asyncio
import itertools
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from obclip_cli.cloud.accelerate import are_exact
from obclip_cli.cloud.server import CloudServer, chunked, stretch_of
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.denoise import State, denoise
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest, CloudResponse

LONGEST_WAIT = 60  # seconds that a refused client is told to wait, at most


class Busy(Exception):
    """The queue is full, or the server stops; the client may ask again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Stopped(Exception):
    """Nobody waits for the result any more; raised between two steps."""


@dataclass(eq=False)
class Job:
    """One request on its way.

    Attributes:
        steps: runs of the model that it needs; a set in chunks runs them once a chunk.
        done: how many have begun.
        gone: nobody waits for it; the model's thread looks at this before each step.
    """

    request: CloudRequest
    steps: int
    answered: asyncio.Future[bytes]
    done: int = 0
    gone: bool = False


class Worker:
    """Hands requests to the model one after the other.

    Args:
        server: holds the model.
        queue: requests that may wait while others run.
        seconds: deadline of a request, waiting included.
        batching: run requests of several clients that wait together as one batch, up to the server's rows. Their
            rows must not depend on each other: see `check_batching`.
    """

    def __init__(self, server: CloudServer, *, queue: int, seconds: float, batching: bool = False) -> None:
        self.server, self.queue, self.seconds, self.batching = server, queue, seconds, batching
        self.waiting: deque[Job] = deque()
        self.running: list[Job] = []
        self.closing = False
        self._last = 1.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    def job(self, request: CloudRequest) -> Job:
        """A request as a job, not yet in the queue."""
        chunks = len(chunked(request.candidates, batch=self.server.batch, guided=self._guided(request)))
        return Job(request, chunks * stretch_of(request).count, asyncio.get_running_loop().create_future())

    async def answer(self, job: Job) -> bytes:
        """Wait for a job's turn and its result; cancelling this stops the work before the model's next step.

        Raises:
            Busy: the queue is full, or the server stops.
            TimeoutError: the deadline has passed.
        """
        if self.closing or len(self.waiting) >= self.queue:
            raise Busy(self._wait())
        self.waiting.append(job)
        self._wake.set()
        try:
            async with asyncio.timeout(self.seconds):
                return await job.answered
        finally:
            job.gone = True
            if job in self.waiting:
                self.waiting.remove(job)

    async def run(self) -> None:
        """Work until cancelled."""
        loop = self._loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            while self.waiting:
                self.running = jobs = self._next()
                started = time.monotonic()
                try:
                    answers = await loop.run_in_executor(self._thread, self._answers, jobs)
                except Exception as error:
                    for job in jobs:
                        if not job.answered.done():
                            job.answered.set_exception(error)
                else:
                    self._last = time.monotonic() - started
                    for job, answer in zip(jobs, answers, strict=True):
                        if not job.answered.done():
                            job.answered.set_result(answer)
                self.running = []
            self._wake.clear()

    def close(self) -> None:
        """Refuse what waits and what comes; what runs is finished."""
        self.closing = True
        for job in self.waiting:
            if not job.answered.done():
                job.answered.set_exception(Busy(self._wait()))

    def stop_soon(self) -> None:
        """`close`, from a signal's handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.close)

    def abandon(self) -> None:
        """Stop what runs before its next step."""
        for job in self.running:
            job.gone = True
        self._thread.shutdown()

    def _wait(self) -> int:
        """Seconds until the queue may have moved, from how long the last run took."""
        return max(1, min(LONGEST_WAIT, math.ceil(self._last * (len(self.waiting) + 1) / 2)))

    def _next(self) -> list[Job]:
        """The job whose turn it is; when batching, with those behind it that fit into one batch with it."""
        first = self.waiting.popleft()
        if not self.batching or first.request.latents is not None:
            return [first]
        jobs, rows = [first], len(first.request.candidates)
        most = self.server.batch // (2 if self._guided(first.request) else 1)
        for job in [job for job in self.waiting if stretch_of(job.request) == stretch_of(first.request)]:
            if job.request.latents is None and rows + len(job.request.candidates) <= most:
                jobs.append(job)
                rows += len(job.request.candidates)
                self.waiting.remove(job)
        return jobs

    def _answers(self, jobs: list[Job]) -> list[bytes]:
        """In the model's thread: the responses' bytes."""

        def before_step(*_: object) -> None:
            if all(job.gone for job in jobs):
                raise Stopped
            for job in jobs:
                job.done += 1

        hook = self.server.pipeline.unet.register_forward_pre_hook(before_step)
        try:
            states = [self.server.denoise(jobs[0].request)] if len(jobs) == 1 else self._together(jobs)
            return [
                CloudResponse(state.latents, state.history if job.request.wants_history else None).to_bytes()
                for job, state in zip(jobs, states, strict=True)
            ]
        finally:
            hook.remove()

    def _together(self, jobs: list[Job]) -> list[State]:
        """Several requests of one schedule as one batch, each from its own z_T, without accelerations."""
        first = jobs[0].request
        counts = [len(job.request.candidates) for job in jobs]
        state = denoise(
            self.server.pipeline,
            [candidate for job in jobs for candidate in job.request.candidates],
            stretch_of(first),
            seeds=[job.request.noise_seed for job, count in zip(jobs, counts, strict=True) for _ in range(count)],
        )
        ends = itertools.accumulate(counts, initial=0)
        return [state.rows(slice(*rows)) for rows in itertools.pairwise(ends)]

    def _guided(self, request: CloudRequest) -> bool:
        return is_guided(self.server.pipeline.unet.config, request.guidance_scale)


def check_batching(cache: CacheConfig) -> None:
    """Refuse to mix clients where one's prompts would alter another's latents, and could be read from them.

    Raises:
        UserError: an acceleration is on that lets rows share results, or keeps them from step to step. The exact one
            is left out of mixed batches.
    """
    if not are_exact(cache):
        raise UserError(
            "serve.batching runs several clients' rows together, and under these cache settings one client's prompts "
            "could change another's latents; set cache=none, or serve.batching=false"
        )
