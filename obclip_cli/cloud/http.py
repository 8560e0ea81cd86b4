"""The cloud behind HTTP: request bytes in, response bytes out, and what a broken or hostile client gets instead.

    POST /denoise          the bytes of a CloudRequest; answers with those of a CloudResponse
    GET  /progress/{id}    server-sent events: how many of a request's steps have begun, a count and nothing else
    GET  /models?steps=T   what is served, with the noise levels of a schedule of T steps
    GET  /health, /metrics

Imports nothing of the client's side; a test looks at the running process.
"""

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import ClientDisconnect

from obclip_cli.cloud.server import CloudServer, stretch_of
from obclip_cli.cloud.worker import Busy, Job, Stopped, Worker, check_batching
from obclip_cli.config import Config, ServeConfig
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.denoise import scheduler_at
from obclip_cli.diffusion.models import default_device, latent_shape, latent_space, load_pipeline
from obclip_cli.diffusion.schedule import noise_levels
from obclip_cli.errors import UserError
from obclip_cli.protocol import VERSION, CloudRequest, Offer, order_digest

log = logging.getLogger("obclip.serve")
BYTES = "application/octet-stream"
REQUEST_ID = re.compile(r"[0-9a-f]{16}")
LOOK = 0.05  # seconds between two looks at how far a request is
UNKNOWN = 5.0  # seconds in which a request may appear whose progress is asked for


class Cloud:
    """A model that is served: its worker, what it offers, and the requests on their way.

    Args:
        config: pair, cache and the limits in `serve`.
    """

    def __init__(self, config: Config, server: CloudServer) -> None:
        serve = config.serve
        self.config, self.serve, self.pipeline = config, serve, server.pipeline
        self.server = server
        if serve.batching:
            check_batching(config.cache)
        self.worker = Worker(server, queue=serve.queue, seconds=serve.deadline_seconds, batching=serve.batching)
        self.jobs: dict[str, Job] = {}
        self.metrics = Metrics(self.worker)

    def offer(self, steps: int) -> Offer:
        """What is served, for a schedule of `steps`.

        Raises:
            UserError: the model has no such schedule.
        """
        architecture = Architecture.of(self.pipeline)
        unet = {name: value for name, value in architecture.unet.items() if not name.startswith("_")}
        return Offer(
            version=VERSION,
            pair=self.config.pair.name,
            unet=unet,
            text_tokens=architecture.text_tokens,
            latent_space=latent_space(self.pipeline),
            latent_shape=latent_shape(self.pipeline),
            dtype=str(self.pipeline.unet.dtype).removeprefix("torch."),
            solver=self.config.pair.cloud.scheduler,
            noise_levels=self._levels(steps),
            cache=asdict(self.config.cache),
            rows=self.server.batch,
            max_candidates=self.serve.max_candidates,
            max_prompt_characters=self.serve.max_prompt_characters,
            max_steps=self.serve.max_steps,
            logs_prompts=self.serve.log_prompts,
        )

    def check(self, request: CloudRequest) -> None:
        """What only this server knows about a request: its limits, its model's latents, its solver.

        Raises:
            UserError: says which limit and what it is.
        """
        limits = {
            "candidates": (len(request.candidates), self.serve.max_candidates),
            "characters in a prompt": (max(map(len, request.candidates)), self.serve.max_prompt_characters),
        }
        for name, (asked, most) in limits.items():
            if asked > most:
                raise UserError(f"the request has {asked} {name}, this server takes {most}")
        self._levels(request.steps)
        if request.positions is not None:
            scheduler_at(self.pipeline, stretch_of(request))
        wanted = (1, *latent_shape(self.pipeline))
        if request.latents is not None and tuple(request.latents.shape) != wanted:
            raise UserError(f"the request's latents are {tuple(request.latents.shape)}, this model's {wanted}")
        if request.latents is not None and request.latents.dtype != self.pipeline.unet.dtype:
            raise UserError(
                f"the request's latents are {request.latents.dtype}, this model's {self.pipeline.unet.dtype}"
            )
        if self.config.pair.cloud.scheduler == "lcm" and (request.wants_history or request.history is not None):
            raise UserError("an LCM has no history to hand over; ask without")

    def _levels(self, steps: int) -> tuple[float, ...]:
        if not 1 <= steps <= self.serve.max_steps:
            raise UserError(f"a schedule of {steps} steps was asked for, this server takes 1..{self.serve.max_steps}")
        return noise_levels(self.pipeline.scheduler, steps)


class Metrics:
    """What /metrics tells: sums over all clients."""

    def __init__(self, worker: Worker) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("obclip_requests", "requests, by HTTP status", ["status"], registry=self.registry)
        self.bytes = Counter("obclip_body_bytes", "bytes of bodies", ["direction"], registry=self.registry)
        self.candidates = Counter("obclip_candidates", "candidates denoised", registry=self.registry)
        self.seconds = Histogram("obclip_request_seconds", "from request to response", registry=self.registry)
        waiting = Gauge("obclip_waiting_requests", "requests in the queue", registry=self.registry)
        waiting.set_function(lambda: len(worker.waiting))


def load_server(config: Config) -> CloudServer:
    """The pair's large model."""
    pipeline = load_pipeline(config.pair.cloud, dtype=config.pair.dtype, device=default_device())
    return CloudServer.of(config, pipeline)


def create_app(config: Config, load: Callable[[], CloudServer], token: str | None) -> FastAPI:
    """The application; it loads its model when it starts.

    Args:
        config: pair, cache and the limits in `serve`.
        load: gives the model; called once, before the first request is taken.
        token: what clients must bear; None lets everyone in.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.cloud = cloud = Cloud(config, await asyncio.to_thread(load))
        working = asyncio.create_task(cloud.worker.run())
        yield
        working.cancel()
        cloud.worker.close()
        await asyncio.to_thread(cloud.worker.abandon)

    def allowed(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]) -> None:
        given = bearer.credentials if bearer else ""
        if token is not None and not secrets.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    mine = [Depends(allowed)]

    @app.exception_handler(RequestValidationError)
    async def malformed(*_: object) -> Response:
        return JSONResponse({"detail": "steps must be a whole number"}, 422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "stopping" if app.state.cloud.worker.closing else "ok"}

    @app.get("/metrics", dependencies=mine)
    async def metrics() -> Response:
        return Response(generate_latest(app.state.cloud.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/models", dependencies=mine)
    async def models(steps: int = config.pair.cloud.steps or config.hybrid.steps) -> Response:
        try:
            return Response(app.state.cloud.offer(steps).to_bytes(), media_type="application/json")
        except UserError as error:
            raise HTTPException(422, str(error)) from error

    @app.get("/progress/{request_id}", dependencies=mine)
    async def progress(request_id: str) -> Response:
        return StreamingResponse(_events(app.state.cloud.jobs, request_id), media_type="text/event-stream")

    @app.post("/denoise", dependencies=mine)
    async def denoise(http: Request) -> Response:
        return await _Exchange(app.state.cloud, http).answer()

    return app


class _Exchange:
    """One request to /denoise, from its first byte to its line in the log."""

    def __init__(self, cloud: Cloud, http: Request) -> None:
        self.cloud, self.http = cloud, http
        named = http.headers.get("x-request-id", "")
        taken = not REQUEST_ID.fullmatch(named) or named in cloud.jobs
        self.id = secrets.token_hex(8) if taken else named
        self.request: CloudRequest | None = None
        self.up = self.down = 0
        self.started = time.perf_counter()

    async def answer(self) -> Response:
        status = 500
        try:
            response = await self._respond()
            status = response.status_code
            return response
        except HTTPException as error:
            status = error.status_code
            raise
        except (ClientDisconnect, asyncio.CancelledError, Stopped):
            status = 499  # nginx's number for a client that went away; nobody reads it
            return Response(status_code=status)
        except Exception as error:
            log.error("%s failed: %s", self.id, type(error).__name__)  # its text might hold a prompt
            raise HTTPException(500, "the server failed on this request") from None
        finally:
            self._record(status)

    async def _respond(self) -> Response:
        if self.http.headers.get("content-type") != BYTES:  # what a browser's form cannot send
            raise HTTPException(415, f"send the request as {BYTES}")
        body = await self._body(self.cloud.serve)
        try:
            self.request = CloudRequest.from_bytes(body)
            self.cloud.check(self.request)
        except UserError as error:
            raise HTTPException(422, " ".join(str(error).split())) from error
        answer = await self._denoised(self.cloud.worker.job(self.request))
        self.down = len(answer)
        headers = {"x-request-id": self.id, "x-row-order": order_digest(self.request.candidates)}
        return Response(answer, media_type=BYTES, headers=headers)

    async def _body(self, serve: ServeConfig) -> bytes:
        """The body, if it is not larger and not slower than allowed."""
        declared = self.http.headers.get("content-length", "0")
        most, content = serve.max_body_bytes, bytearray()
        try:
            async with asyncio.timeout(serve.body_seconds):
                if not declared.isdigit() or int(declared) > most:
                    raise _closing(413, f"the request is larger than {most} bytes")
                async for chunk in self.http.stream():
                    content += chunk
                    self.up = len(content)
                    if self.up > most:
                        raise _closing(413, f"the request is larger than {most} bytes")
        except TimeoutError:
            raise _closing(408, f"the request did not arrive within {serve.body_seconds:g} seconds") from None
        return bytes(content)

    async def _denoised(self, job: Job) -> bytes:
        """The job's result; when the client goes away, the job is abandoned at once."""
        self.cloud.jobs[self.id] = job
        answering = asyncio.ensure_future(self.cloud.worker.answer(job))
        leaving = asyncio.ensure_future(self._left())
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise ClientDisconnect
            return answering.result()
        except Busy as busy:
            reason = "the server stops" if self.cloud.worker.closing else "the queue is full"
            raise HTTPException(503, f"{reason}; ask again later", {"Retry-After": str(busy.seconds)}) from None
        except TimeoutError:
            raise HTTPException(504, f"not done within {self.cloud.serve.deadline_seconds:g} seconds") from None
        finally:
            del self.cloud.jobs[self.id]
            for task in (answering, leaving):
                task.cancel()
                with suppress(Exception, asyncio.CancelledError):
                    await task

    async def _left(self) -> None:
        while (await self.http.receive())["type"] != "http.disconnect":
            pass

    def _record(self, status: int) -> None:
        """One line in the log and the sums; never a prompt, unless prompts are asked for."""
        seconds, metrics = time.perf_counter() - self.started, self.cloud.metrics
        metrics.requests.labels(status).inc()
        metrics.bytes.labels("up").inc(self.up)
        metrics.bytes.labels("down").inc(self.down)
        metrics.seconds.observe(seconds)
        facts = f"{self.id} status={status} seconds={seconds:.3f} bytes_up={self.up} bytes_down={self.down}"
        if self.request is not None:
            rows = len(self.request.candidates)
            metrics.candidates.inc(rows if status == 200 else 0)
            facts += f" candidates={rows} steps={self.request.start}..{self.request.stop}/{self.request.steps}"
            if self.cloud.serve.log_prompts:
                facts += f" prompts={json.dumps(self.request.candidates)}"
        log.info("%s", facts)


def _closing(status: int, line: str) -> HTTPException:
    """A refusal after which the connection is closed: the rest of its body is not read."""
    return HTTPException(status, line, {"Connection": "close"})


async def _events(jobs: dict[str, Job], request_id: str) -> AsyncIterator[str]:
    """A request's steps as they begin; ends with the request."""
    deadline = time.monotonic() + UNKNOWN
    while request_id not in jobs and time.monotonic() < deadline:
        await asyncio.sleep(LOOK)
    told, job = -1, jobs.get(request_id)
    while job is not None:
        left = request_id not in jobs
        if job.done != told:
            told = job.done
            yield f"data: {json.dumps({'done': told, 'of': job.steps})}\n\n"
        if left:
            return
        await asyncio.sleep(LOOK)
