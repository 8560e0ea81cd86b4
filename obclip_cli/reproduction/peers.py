"""Accelerations of others, run as they are published: what the cloud's latents after k steps are with each of them.

DeepCache   PyPI DeepCache 0.1.1 (arXiv 2312.00858), around our loop
T-GATE      PyPI tgate 1.0.0 (arXiv 2404.02747), in its own loop, stopped after k steps
PAB         diffusers' pyramid attention broadcast (arXiv 2408.12588), around our loop, at all timesteps

The first two come with the extra `peers`. Each is put on for one run and taken off again; as some leave things on the
model, each has a process of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from diffusers import DiffusionPipeline, PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast

from obclip_cli.diffusion.denoise import Stretch, denoise, initial_noise
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.errors import require

PACKAGES = {"deepcache": "DeepCache", "tgate": "tgate", "pab": "diffusers"}
ALWAYS = (-1, 1 << 30)
LEFT = ("forward", "cache", "_diffusers_hook")  # what some of them leave on a module


def check_installed(peers: Sequence[str]) -> None:
    """Refuse to begin without them.

    Raises:
        UserError: names the package.
    """
    for peer in peers:
        missing = (
            f"{PACKAGES[peer]} is not installed; pip install 'obclip[peers]', or leave it out: experiment.peers=[]"
        )
        require(find_spec(PACKAGES[peer]) is not None, missing)


def states(
    peer: str,
    settings: dict[str, int],
    pipeline: DiffusionPipeline,
    prompts: Sequence[str],
    stretch: Stretch,
    seed: list[int],
) -> torch.Tensor:
    """Latents (n, c, h, w) of the prompts after the stretch, which begins at z_T."""
    if peer == "tgate":
        return _tgate(pipeline, prompts, stretch, seed, **settings)
    with clean(pipeline), PUT_ON[peer](pipeline, stretch, **settings):
        return denoise(pipeline, prompts, stretch, seeds=seed).latents


@contextmanager
def clean(pipeline: DiffusionPipeline) -> Iterator[None]:
    """Take off afterwards what was left on the model's modules."""
    before = [(module, {name: vars(module).get(name) for name in LEFT}) for module in pipeline.unet.modules()]
    try:
        yield
    finally:
        for module, kept in before:
            for name, value in kept.items():
                vars(module).pop(name, None)
                if value is not None:
                    setattr(module, name, value)


@contextmanager
def _deepcache(pipeline: DiffusionPipeline, stretch: Stretch, interval: int, branch: int) -> Iterator[None]:
    from DeepCache import DeepCacheSDHelper

    pipeline.scheduler.set_timesteps(stretch.steps)  # it looks up there which step runs
    helper = DeepCacheSDHelper(pipe=pipeline)
    helper.set_params(cache_interval=interval, cache_branch_id=branch)
    helper.enable()
    yield


@contextmanager
def _pab(pipeline: DiffusionPipeline, stretch: Stretch, spatial: int, cross: int) -> Iterator[None]:
    now = [0]

    def note(_: Any, given: tuple[Any, ...]) -> None:
        now[0] = int(given[1])

    handle = pipeline.unet.register_forward_pre_hook(note)
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=spatial,
        cross_attention_block_skip_range=cross,
        spatial_attention_timestep_skip_range=ALWAYS,
        cross_attention_timestep_skip_range=ALWAYS,
        current_timestep_callback=lambda: now[0],
    )
    apply_pyramid_attention_broadcast(pipeline.unet, config)
    try:
        yield
    finally:
        handle.remove()


PUT_ON: dict[str, Callable[..., Any]] = {"deepcache": _deepcache, "pab": _pab}


def _tgate(
    pipeline: DiffusionPipeline, prompts: Sequence[str], stretch: Stretch, seeds: list[int], gate: int
) -> torch.Tensor:
    from tgate import TgateSDLoader, TgateSDXLLoader

    load = TgateSDXLLoader if hasattr(pipeline, "text_encoder_2") else TgateSDLoader
    found = []

    def stop(pipe: Any, step: int, timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        if step + 1 == stretch.stop:
            found.append(given["latents"])
            pipe._interrupt = True
        return given

    with clean(pipeline), torch.no_grad():
        load(pipeline, gate_step=gate, num_inference_steps=stretch.steps)
        pipeline.tgate(
            list(prompts),
            gate_step=gate,
            num_inference_steps=stretch.steps,
            guidance_scale=stretch.guidance_scale,
            latents=torch.cat([initial_noise(pipeline, latent_shape(pipeline), seed) for seed in seeds]),
            output_type="latent",
            callback_on_step_end=stop,
        )
    del pipeline.tgate
    return found[0]
