"""What the parties are told: the public plan of the steps, and the user's secret arrays."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open

from obclip_cli.config import Config
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import Stretch, initial_noise, scheduler_at
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.errors import UserError, require

PARTIES = {"ABY3": 3, "SEMI2K": 2}
BLOCKS = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}
WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class Variant:
    """One measurement.

    Attributes:
        protocol: ABY3 (three servers) or SEMI2K (two), as SPU names them.
        weights: `secret`, shared by their owner, or `public`, known to all servers.
        steps: guided denoising steps, from z_T on.
    """

    protocol: str
    weights: str
    steps: int

    @property
    def parties(self) -> int:
        """How many servers."""
        return PARTIES[self.protocol]

    @property
    def name(self) -> str:
        """As in a folder's name."""
        return f"{self.protocol}-{self.weights}-{self.steps}".lower()


def unet_file(config: Config) -> Path:
    """The weights of the pair's large model.

    Raises:
        UserError: they are not one file of this machine.
    """
    file = hub.folders(config.pair.cloud)["path"] / "unet" / WEIGHTS
    require(file.exists(), f"{file} is not there; the parties read one file of weights, as pair mini has")
    return file


def plan_of(pipeline: DiffusionPipeline, unet: Path, variant: Variant, stretch: Stretch) -> dict[str, Any]:
    """What every party may know, but for its ports.

    Raises:
        UserError: the model or its solver is of another kind than the JAX form knows.
    """
    check_supported(pipeline, stretch)
    with safe_open(unet, "np") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118, no mapping
    channels, height, width = latent_shape(pipeline)
    words = encode_prompts(pipeline, [""], stretch.guidance_scale).prompt_embeds
    return asdict(variant) | {
        "parties": variant.parties,
        "config": {key: value for key, value in dict(pipeline.unet.config).items() if key[0] != "_"},
        "shapes": shapes,
        "latents": [1, height, width, channels],
        "words": list(words.shape),
        "guidance": stretch.guidance_scale,
        "steps": solver_weights(pipeline, stretch),
    }


def secrets_of(pipeline: DiffusionPipeline, prompt: str, stretch: Stretch, seed: int) -> dict[str, np.ndarray]:
    """What the user shares: z_T (1, h, w, c), and the embeddings of no words and of the prompt (2, tokens, width)."""
    latents = initial_noise(pipeline, latent_shape(pipeline), seed).permute(0, 2, 3, 1)
    words = encode_prompts(pipeline, [prompt], stretch.guidance_scale).prompt_embeds
    return {"latents": latents.float().cpu().numpy(), "words": words.float().cpu().numpy()}


def solver_weights(pipeline: DiffusionPipeline, stretch: Stretch) -> list[dict[str, Any]]:
    """Each step's timestep, and the step as a linear map: the solver itself is asked, with unit vectors.

    clean = solver[0] latents + solver[1] prediction
    next latents = solver[2] latents + solver[3] prediction + solver[4] last clean
    """
    units, steps = torch.eye(3), []
    for place in range(stretch.start, stretch.stop):
        scheduler = scheduler_at(pipeline, replace(stretch, start=place, stop=place + 1), units[2])
        timestep = scheduler.timesteps[place]
        after = scheduler.step(units[1], timestep, units[0], return_dict=False)[0]
        clean = scheduler.model_outputs[-1]
        if place == stretch.start:  # begins without a last step
            after[2] = 0.0
        steps.append({"timestep": float(timestep), "solver": [*clean[:2].tolist(), *after.tolist()]})
    return steps


def check_supported(pipeline: DiffusionPipeline, stretch: Stretch) -> None:
    """Refuse models that the JAX form is not of.

    Raises:
        UserError: names what differs.
    """
    config = pipeline.unet.config
    kinds = {*config.down_block_types, *config.up_block_types, config.mid_block_type or "UNetMidBlock2DCrossAttn"}
    plain = kinds <= BLOCKS | {"UNetMidBlock2DCrossAttn"} and isinstance(config.attention_head_dim, int)
    plain = plain and not config.addition_embed_type and config.time_cond_proj_dim is None
    linear = hasattr(pipeline.scheduler, "model_outputs") and not pipeline.scheduler.config.get("thresholding")
    if not plain or not linear or stretch.guidance_scale <= 1 or stretch.positions is not None:
        raise UserError(
            "secure computation is there for guided UNets of Stable Diffusion 1's kind with DPM-Solver++ and all "
            "steps taken; try --pair mini"
        )
