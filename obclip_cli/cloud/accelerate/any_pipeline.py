"""The accelerations on any UNet pipeline of diffusers, through its usual call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel

from obclip_cli.cloud.accelerate import accelerations, attached
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError, nearest

SETTINGS = [field.name for field in fields(CacheConfig) if field.name not in ("name", "pivot")]


@contextmanager
def accelerate(pipeline: DiffusionPipeline, **settings: Any) -> Iterator[None]:
    """Accelerate a diffusers pipeline with a UNet inside a `with` block, and leave it as it was.

    Every call of the pipeline starts anew, with any number of prompts and steps. The first prompt's maps are shared by
    the whole batch of a call, so `reuse` is for prompts that make similar images.

    >>> import obclip_cli as obclip
    >>> sd, _ = obclip.load_pair("mini")
    >>> with obclip.accelerate(sd, reuse="all", cache_point=4, skip_point=6):
    ...     images = sd(["a man with dark skin", "a woman with dark skin"], num_inference_steps=10).images
    >>> len(images)
    2

    Args:
        pipeline: Stable Diffusion, SDXL or LCM, with or without guidance.
        **settings: as in `CacheConfig`: `reuse` (all or branch), `reuse_layers`, `cache_point` (r), `refresh`,
            `skip_point` (s), `fresh_conv_in`, `shared_first_step`. Points are steps of a call, counted from 0.

    Raises:
        UserError: a setting is unknown or cannot be, or the pipeline has no plain UNet (an IP-Adapter, a transformer).
    """
    unet = getattr(pipeline, "unet", None)
    if not isinstance(unet, UNet2DConditionModel) or not hasattr(type(pipeline), "do_classifier_free_guidance"):
        raise UserError(
            f"{type(pipeline).__name__} is not a text-to-image pipeline with a UNet2DConditionModel; "
            "choose Stable Diffusion, SDXL or LCM"
        )
    if unknown := [name for name in settings if name not in SETTINGS]:
        raise UserError(f"accelerate() has no setting {unknown[0]}; {nearest(unknown[0], SETTINGS)}")
    calls = _Calls(pipeline)
    with attached(unet, accelerations(CacheConfig(**settings)), calls.context):
        handle = unet.register_forward_pre_hook(calls.before_step, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


class _Calls:
    """Keeps a step context up to date from outside, whatever calls the UNet."""

    def __init__(self, pipeline: DiffusionPipeline) -> None:
        self.pipeline, self.context = pipeline, StepContext()
        self.timesteps: torch.Tensor | None = None
        self.passes = 0

    def before_step(self, unet: UNet2DConditionModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows = len(args[0] if args else kwargs["sample"])
        unconditional = rows // 2 if self.pipeline.do_classifier_free_guidance else 0
        self.context.unconditional, self.context.conditional = unconditional, rows - unconditional
        self.context.step = self._step()

    def _step(self) -> int:
        """By the scheduler's own count, None before the first step, or by passes where it keeps none (DDIM, PNDM)."""
        scheduler = self.pipeline.scheduler
        if hasattr(scheduler, "step_index"):
            return 0 if scheduler.step_index is None else scheduler.step_index - (scheduler.begin_index or 0)
        # A call begins by giving the scheduler new timesteps.
        self.passes = self.passes + 1 if scheduler.timesteps is self.timesteps else 0
        self.timesteps = scheduler.timesteps
        return self.passes
