"""Run a stretch of denoising steps with classifier-free guidance, as the stock diffusers pipeline does."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline, SchedulerMixin

from obclip_cli.diffusion.conditioning import Conditioning

BeforeStep = Callable[[int], None]


@dataclass(frozen=True)
class Stretch:
    """The steps start..stop-1 of a schedule of `steps`."""

    steps: int
    start: int
    stop: int
    guidance_scale: float


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

    def rows(self, index: slice) -> "State":
        """The states of some samples."""
        return State(self.latents[index], None if self.history is None else self.history[index])

    @staticmethod
    def together(states: "list[State]") -> "State":
        """Several states as one batch."""
        histories = [state.history for state in states if state.history is not None]
        return State(torch.cat([state.latents for state in states]), torch.cat(histories) if histories else None)


def initial_noise(pipeline: DiffusionPipeline, shape: tuple[int, int, int], seed: int) -> torch.Tensor:
    """z_T of one sample, (1, c, h, w), from a generator of its own, so that batches never change it."""
    noise = torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed), dtype=pipeline.unet.dtype)
    return noise.to(pipeline.device) * pipeline.scheduler.init_noise_sigma


def run_steps(
    pipeline: DiffusionPipeline,
    state: State,
    conditioning: Conditioning,
    stretch: Stretch,
    *,
    noise_seeds: list[int] | None = None,
    before_step: BeforeStep | None = None,
) -> State:
    """The state after all steps of a stretch; arguments as in `trajectory`."""
    path = trajectory(pipeline, state, conditioning, stretch, noise_seeds=noise_seeds, before_step=before_step)
    for reached in path:
        state = reached
    return state


@torch.no_grad()
def trajectory(
    pipeline: DiffusionPipeline,
    state: State,
    conditioning: Conditioning,
    stretch: Stretch,
    *,
    noise_seeds: list[int] | None = None,
    before_step: BeforeStep | None = None,
) -> Iterator[State]:
    """The state after each step of a stretch.

    A step depends on what came before it only, so the state after k steps is the same whatever `stop` is.

    Args:
        noise_seeds: the seed of each sample's z_T. A solver that adds noise in between (LCM) goes on drawing from it.
        before_step: told each step's position, counted from 0 at `start`, before the model runs.
    """
    latents = state.latents
    scheduler = _scheduler_at(pipeline, stretch, state.history)
    generators = _generators_after(latents, noise_seeds) if noise_seeds else None
    rest = conditioning.arguments()
    for position, timestep in enumerate(scheduler.timesteps[stretch.start : stretch.stop]):
        if before_step is not None:
            before_step(position)
        rows = torch.cat([latents] * 2) if conditioning.guided else latents
        rows = scheduler.scale_model_input(rows, timestep)
        noise = pipeline.unet(rows, timestep, return_dict=False, **rest)[0]
        if conditioning.guided:
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + stretch.guidance_scale * (conditional - unconditional)
        latents = scheduler.step(noise, timestep, latents, generator=generators, return_dict=False)[0]
        yield State(latents, _history(scheduler))


def _scheduler_at(pipeline: DiffusionPipeline, stretch: Stretch, history: torch.Tensor | None) -> SchedulerMixin:
    """A scheduler of our own, set to begin at `stretch.start`, with the other side's history if there is one."""
    scheduler = copy.deepcopy(pipeline.scheduler)
    scheduler.set_timesteps(stretch.steps, device=pipeline.device)
    scheduler.set_begin_index(stretch.start)
    if history is not None:
        order = scheduler.config.solver_order
        scheduler.model_outputs = [None] * (order - 1) + [history]
        # One tensor of history supports the second order and no more.
        scheduler.lower_order_nums = min(stretch.start, 1)
    return scheduler


def _history(scheduler: SchedulerMixin) -> torch.Tensor | None:
    outputs = getattr(scheduler, "model_outputs", None)
    return outputs[-1] if outputs else None


def _generators_after(latents: torch.Tensor, seeds: list[int]) -> list[torch.Generator]:
    """Each sample's generator, past the numbers that its z_T took."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for generator in generators:
        torch.randn((1, *latents.shape[1:]), generator=generator, dtype=latents.dtype)
    return generators


@torch.no_grad()
def decode(pipeline: DiffusionPipeline, latents: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, H, W) in [0, 1], on the CPU, from latents (n, c, h, w)."""
    vae = pipeline.vae
    # SDXL's autoencoder overflows in fp16, which its configuration says.
    if vae.dtype == torch.float16 and vae.config.force_upcast:
        vae.to(torch.float32)
    latents = latents.to(vae.dtype) / vae.config.scaling_factor
    if vae.config.shift_factor is not None:
        latents = latents + vae.config.shift_factor
    images = vae.decode(latents, return_dict=False)[0]
    return (images / 2 + 0.5).clamp(0, 1).float().cpu()
