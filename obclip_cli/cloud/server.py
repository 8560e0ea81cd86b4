"""The cloud's side of Algorithm 1 (arXiv 2510.04153): denoise every candidate from one z_T."""

from collections.abc import Sequence
from functools import partial
from typing import Self

from diffusers import DiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.cloud.accelerate.pivot_attention import pivot_place
from obclip_cli.cloud.accelerate.step_kinds import check_compiles
from obclip_cli.config import NO_ACCELERATION, CacheConfig, Config
from obclip_cli.diffusion.conditioning import encode_prompts, is_guided
from obclip_cli.diffusion.denoise import State, StepContext, Stretch, denoise
from obclip_cli.errors import UserError
from obclip_cli.protocol import CloudRequest, CloudResponse, check_positions


class CloudServer:
    """Holds M_S and answers requests, given and returned as bytes.

    Args:
        pipeline: the large model.
        batch: most rows at once; with guidance a candidate has two. A larger set runs in chunks, one after the other
            through all steps, so that only one chunk's caches are held; all chunks share the pivot's attention maps.
        cache: the accelerations to put on the model while it answers; none by default.
        compiles: run the model compiled for each kind of step (`cloud.compile`).

    Raises:
        UserError: it is to be compiled, and torch.compile does not work here.
    """

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        *,
        batch: int,
        cache: CacheConfig = NO_ACCELERATION,
        compiles: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.batch = batch
        self.accelerations = accelerations(cache)
        self.draws_pivot = cache.pivot == "public"
        self.compiles = compiles
        if compiles:
            check_compiles(pipeline.device)

    @classmethod
    def of(cls, config: Config, pipeline: DiffusionPipeline) -> Self:
        """As it is configured: rows at once, accelerations, compiled or not."""
        return cls(pipeline, batch=config.rows_at_once, cache=config.cache, compiles=config.cloud.compile)

    def answer(self, message: bytes) -> bytes:
        """Bytes of a CloudRequest in, bytes of a CloudResponse out."""
        request = CloudRequest.from_bytes(message)
        state = self.denoise(request)
        return CloudResponse(state.latents, state.history if request.wants_history else None).to_bytes()

    def denoise(self, request: CloudRequest) -> State:
        """One state a candidate, latents (N, c, h, w), after steps start..stop-1.

        Raises:
            UserError: the request holds no candidate, or steps that its schedule does not have.
        """
        _check(request)
        guided = is_guided(self.pipeline.unet.config, request.guidance_scale)
        order = self._order(request.candidates)
        candidates = [request.candidates[place] for place in order]
        chunks = chunked(candidates, batch=self.batch, guided=guided)
        stretch, context, done = stretch_of(request), StepContext(chunks=len(chunks), same_start=True), []
        if len(chunks) > 1:
            context.whole_set = partial(encode_prompts, self.pipeline, candidates, request.guidance_scale)
        with attached(self.pipeline.unet, self.accelerations, context, compiles=self.compiles):
            for context.chunk, chunk in enumerate(chunks):
                start, seeds = self._sent(request, len(chunk)), [request.noise_seed] * len(chunk)
                done.append(denoise(self.pipeline, chunk, stretch, seeds=seeds, state=start, context=context))
        return State.together(done).rows([order.index(place) for place in range(len(order))])

    def _order(self, candidates: Sequence[str]) -> list[int]:
        """In which order the candidates run: the first of them is the pivot of shared attention."""
        order = list(range(len(candidates)))
        if self.draws_pivot:
            order.insert(0, order.pop(pivot_place(candidates)))
        return order

    def _sent(self, request: CloudRequest, rows: int) -> State | None:
        """What the device sent, for each row; None begins at z_T."""
        if request.latents is None:
            return None
        here = self.pipeline.device
        sent = State(request.latents.to(here), None if request.history is None else request.history.to(here))
        return State.together([sent] * rows)


def stretch_of(request: CloudRequest) -> Stretch:
    """The steps that a request asks for."""
    return Stretch(request.steps, request.start, request.stop, request.guidance_scale, request.positions)


def chunked(candidates: Sequence[str], *, batch: int, guided: bool) -> list[list[str]]:
    """Candidates in chunks of at most `batch` rows, in their order; a candidate is never divided."""
    size = max(1, batch // (2 if guided else 1))
    return [list(candidates[start : start + size]) for start in range(0, len(candidates), size)]


def _check(request: CloudRequest) -> None:
    if not request.candidates:
        raise UserError("the request holds no candidate; send at least one prompt")
    if not 0 <= request.start <= request.stop <= request.steps:
        raise UserError(
            f"the request asks for steps {request.start}..{request.stop - 1} of a schedule of {request.steps}; "
            "ask for steps inside it"
        )
    if request.positions is not None:
        check_positions(request.positions, request.start, request.stop)
