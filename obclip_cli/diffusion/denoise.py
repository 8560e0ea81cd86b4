"""Run a stretch of denoising steps with classifier-free guidance, as the stock diffusers pipeline does."""

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, LCMScheduler, SchedulerMixin

from obclip_cli.diffusion.added_noise import AddedNoise
from obclip_cli.diffusion.conditioning import Conditioning, encode_prompts
from obclip_cli.diffusion.models import check_has_autoencoder, latent_shape
from obclip_cli.errors import UserError

PIXELS = 512 * 512  # that are decoded at once
Change = Callable[[torch.Tensor, int], torch.Tensor]  # of latents before the step at a place in the schedule


@dataclass(frozen=True)
class Stretch:
    """The steps start..stop-1 of a schedule of `steps`, or fewer, larger ones over the same noise levels.

    Attributes:
        positions: the places in the schedule from which a step is taken, increasing, the first one `start`; each step
            goes to the next of them and the last one to `stop`. None: all of start..stop-1.
        before: the place that the history's step was taken from; None: start - 1.
    """

    steps: int
    start: int
    stop: int
    guidance_scale: float
    positions: tuple[int, ...] | None = None
    before: int | None = None

    @property
    def count(self) -> int:
        """How many steps are taken."""
        return self.stop - self.start if self.positions is None else len(self.positions)


@dataclass(frozen=True)
class State:
    """Where denoising stands.

    Attributes:
        latents: (n, c, h, w) at the noise level of the next step; after the last step, the clean latents.
        history: the solver's prediction of the clean latents in the step before, (n, c, h, w), which DPM-Solver++
            of order 2 extrapolates from; None starts it afresh.
    """

    latents: torch.Tensor
    history: torch.Tensor | None = None

    def rows(self, index: slice | list[int]) -> "State":
        """The states of some samples."""
        return State(self.latents[index], None if self.history is None else self.history[index])

    @staticmethod
    def together(states: "list[State]") -> "State":
        """Several states as one batch."""
        histories = [state.history for state in states if state.history is not None]
        return State(torch.cat([state.latents for state in states]), torch.cat(histories) if histories else None)


@dataclass
class StepContext:
    """The step that runs, and the rows of its batch: what accelerations look at while a model denoises.

    The unconditional rows come first, and all are of one prompt, the empty one. Caches are keyed by the number of the
    step, never by the timestep's value, which schedules may repeat.

    Attributes:
        step: 0 in the first step of the stretch.
        chunk, chunks: which part of a large candidate set, of how many.
        unconditional, conditional: rows of each kind; no unconditional ones without guidance.
        whole_set: encodes all candidates, where the set runs in chunks.
        same_start: whether all rows start from one latent, and the unconditional ones from one prompt; None: nobody
            has said so, and what depends on it has to compare them.
        kinds: the kind of this step: what each acceleration on the model does in it, by its label. Steps of one kind
            do the same work, whichever step it is. None where nothing says so; kinds follow from the step then.
    """

    step: int = 0
    chunk: int = 0
    chunks: int = 1
    unconditional: int = 0
    conditional: int = 1
    whole_set: Callable[[], Conditioning] | None = None
    same_start: bool | None = None
    kinds: tuple[tuple[str, Hashable], ...] | None = None

    @property
    def rows(self) -> int:
        """Rows of the whole batch."""
        return self.unconditional + self.conditional

    def whole(self, result: torch.Tensor) -> torch.Tensor:
        """A result whose equal rows were computed once (shared first step, shared trunk), with all its rows again."""
        if len(result) == self.rows:
            return result
        if len(result) == 1:
            return result.expand(self.rows, *result.shape[1:])
        first, rest = (
            part.expand(rows, *result.shape[1:])
            for part, rows in ((result[:1], self.unconditional), (result[1:], self.conditional))
        )
        return torch.cat([first, rest])


def initial_noise(pipeline: DiffusionPipeline, shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    """z_T of one sample, (1, c, h, w), from a generator of its own, so that batches never change it."""
    noise = torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed), dtype=pipeline.unet.dtype)
    return noise.to(pipeline.device) * pipeline.scheduler.init_noise_sigma


def denoise(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    stretch: Stretch,
    *,
    seeds: Sequence[int],
    state: State | None = None,
    context: StepContext | None = None,
    change: Change | None = None,
) -> State:
    """The state after all steps of a stretch, which may have none; arguments as in `denoise_by_step`."""
    last = _noise(pipeline, seeds) if state is None else state
    for reached in denoise_by_step(pipeline, prompts, stretch, seeds=seeds, state=last, context=context, change=change):
        last = reached
    return last


@torch.inference_mode()
def denoise_by_step(
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    stretch: Stretch,
    *,
    seeds: Sequence[int],
    state: State | None = None,
    context: StepContext | None = None,
    change: Change | None = None,
) -> Iterator[State]:
    """The state after each step of a stretch, one row a prompt.

    Args:
        prompts: n of them.
        seeds: the seed of each prompt's z_T. A solver that adds noise in between (LCM) goes on drawing from it.
        state: n rows to begin with; None begins at z_T.
        context: is kept up to date for what is attached to the model.
        change: what is made of the latents before each step.
    """
    if stretch.start == stretch.stop:
        return
    state = _noise(pipeline, seeds) if state is None else state
    conditioning = encode_prompts(pipeline, list(prompts), stretch.guidance_scale)
    context = StepContext() if context is None else context
    context.conditional, context.unconditional = len(prompts), len(prompts) if conditioning.guided else 0
    yield from trajectory(pipeline, state, conditioning, stretch, noise_seeds=seeds, context=context, change=change)


def _noise(pipeline: DiffusionPipeline, seeds: Sequence[int]) -> State:
    return State(torch.cat([initial_noise(pipeline, latent_shape(pipeline), seed) for seed in seeds]))


@torch.inference_mode()
def trajectory(
    pipeline: DiffusionPipeline,
    state: State,
    conditioning: Conditioning,
    stretch: Stretch,
    *,
    noise_seeds: Sequence[int] = (),
    context: StepContext | None = None,
    change: Change | None = None,
) -> Iterator[State]:
    """The loop behind `denoise`: the state after each step, for prompts that are encoded.

    A step depends on what came before it only, so the state after k steps is the same whatever `stop` is, as long as
    no steps are left out.

    Raises:
        UserError: the solver cannot leave steps out.
    """
    latents = state.latents
    context = StepContext() if context is None else context
    scheduler = scheduler_at(pipeline, stretch, state.history)
    # The solver stays on the CPU, whose numbers it reads without waiting; the model has the timesteps on its device.
    start = scheduler.begin_index
    steps = scheduler.timesteps[start : start + stretch.count]
    draws = isinstance(scheduler, LCMScheduler) and noise_seeds
    added = AddedNoise(scheduler, latents, noise_seeds, len(steps)) if draws else None
    rest = conditioning.arguments()
    places = stretch.positions or range(stretch.start, stretch.stop)
    for context.step, (timestep, there) in enumerate(zip(steps, steps.to(pipeline.device), strict=True)):
        if change is not None:
            latents = change(latents, places[context.step])
        rows = torch.cat([latents] * 2) if conditioning.guided else latents
        rows = scheduler.scale_model_input(rows, timestep)
        noise = pipeline.unet(rows, there, return_dict=False, **rest)[0]
        if conditioning.guided:
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + stretch.guidance_scale * (conditional - unconditional)
        if added is None:
            latents = scheduler.step(noise, timestep, latents, return_dict=False)[0]
        else:
            latents = added.step(noise, timestep, latents, context.step)
        yield State(latents, _history(scheduler))


def scheduler_at(pipeline: DiffusionPipeline, stretch: Stretch, history: torch.Tensor | None = None) -> SchedulerMixin:
    """A scheduler of our own, set to begin at `stretch.start`, with the other side's history if there is one.

    Raises:
        UserError: the solver cannot leave steps out.
    """
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(stretch.steps)
    begin = stretch.start
    if stretch.positions is not None or stretch.before is not None:
        earlier = range(stretch.start if stretch.before is None else stretch.before + 1)
        taken = range(stretch.start, stretch.stop) if stretch.positions is None else stretch.positions
        _leave_out(scheduler, [*earlier, *taken, *range(stretch.stop, stretch.steps)])
        begin = len(earlier)
    scheduler.set_begin_index(begin)
    if history is not None:
        order = scheduler.config.solver_order
        scheduler.model_outputs = [None] * (order - 1) + [history]
        # One tensor of history supports the second order and no more.
        scheduler.lower_order_nums = min(stretch.start, 1)
    return scheduler


def _leave_out(scheduler: SchedulerMixin, kept: list[int]) -> None:
    """Take some steps of a schedule only, at the noise levels that they have in it.

    Raises:
        UserError: the solver takes no timesteps of ours, or at other noise levels.
    """
    timesteps, sigmas = scheduler.timesteps, getattr(scheduler, "sigmas", None)
    try:
        scheduler.set_timesteps(timesteps=timesteps[kept].tolist(), device=timesteps.device)
        same = sigmas is None or torch.equal(scheduler.sigmas[:-1], sigmas[kept])
    except (TypeError, ValueError):
        same = False
    if not same:
        raise UserError(
            f"the schedule of this {type(scheduler).__name__} cannot leave steps out; "
            "leave hybrid.cloud_steps and hybrid.device_steps at null"
        )


def _history(scheduler: SchedulerMixin) -> torch.Tensor | None:
    outputs = getattr(scheduler, "model_outputs", None)
    return outputs[-1] if outputs else None


@torch.no_grad()
def decode(pipeline: DiffusionPipeline, latents: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, H, W) in [0, 1], on the CPU, from latents (n, c, h, w).

    At once only as many as have the pixels of one image of 512x512, so that memory does not grow with n.

    Raises:
        UserError: latents or images are not finite, or the model has no autoencoder.
    """
    check_has_autoencoder(pipeline)
    height, width = (side * pipeline.vae_scale_factor for side in latents.shape[2:])
    with able_to_code(pipeline.vae) as vae:
        parts = [_decoded(vae, part) for part in latents.split(max(1, PIXELS // (height * width)))]
    return torch.cat(parts)


def _decoded(vae: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    config, latents = vae.config, latents.to(vae.dtype)
    if config.latents_mean is not None and config.latents_std is not None:
        mean, std = (latents.new_tensor(each).view(1, -1, 1, 1) for each in (config.latents_mean, config.latents_std))
        latents = latents * std / config.scaling_factor + mean
    else:
        latents = latents / config.scaling_factor
    if config.shift_factor is not None:
        latents = latents + config.shift_factor
    images = vae.decode(latents, return_dict=False)[0]
    for name, values in (("latents", latents), ("decoded images", images)):
        if not bool(torch.isfinite(values).all()):
            raise UserError(
                f"the {name} hold NaN or infinity; try pair.dtype=fp32 or bf16, or a smaller guidance_scale"
            )
    return (images / 2 + 0.5).clamp(0, 1).float().cpu()


@contextmanager
def able_to_code(vae: AutoencoderKL) -> Iterator[AutoencoderKL]:
    """In float32 where the model's own file says that half precision overflows, as SDXL's does; then as before."""
    said = vae.config.force_upcast and "force_upcast" not in vae.config.get("_use_default_values", ())
    if not (said and vae.dtype == torch.float16):
        yield vae
        return
    torch.nn.Module.to(vae, torch.float32)  # diffusers' own method warns of what does not concern us
    try:
        yield vae
    finally:
        torch.nn.Module.to(vae, torch.float16)
