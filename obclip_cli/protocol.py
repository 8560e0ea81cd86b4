"""What crosses the line between device and cloud: two frozen messages and their bytes.

The request holds candidates in canonical order and public numbers; nothing tells which candidate is real.
"""

import json
from dataclasses import dataclass, fields

import torch
from safetensors.torch import load, save


@dataclass(frozen=True)
class CloudRequest:
    """Goes up: denoise these candidates from one z_T (arXiv 2510.04153, Algorithm 1 lines 3-8).

    Attributes:
        candidates: N prompts.
        steps: T, denoising steps of the whole schedule.
        start, stop: the cloud runs steps start..stop-1.
        guidance_scale: classifier-free guidance; 1 turns it off.
        noise_seed: public seed of z_T, the same for all candidates.
        latents: (1, c, h, w) to start from instead of z_T, when the device went first.
    """

    candidates: tuple[str, ...]
    steps: int
    start: int
    stop: int
    guidance_scale: float
    noise_seed: int
    latents: torch.Tensor | None = None

    def to_bytes(self) -> bytes:
        """The message as it is sent: safetensors, the numbers as JSON in its header."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "latents"}
        tensors = {} if self.latents is None else {"latents": self.latents.contiguous()}
        return save(tensors, metadata={"request": json.dumps(values)})

    @classmethod
    def from_bytes(cls, message: bytes) -> "CloudRequest":
        values = json.loads(_header(message)["request"])
        values["candidates"] = tuple(values["candidates"])
        return cls(**values, latents=load(message).get("latents"))


@dataclass(frozen=True)
class CloudResponse:
    """Comes back: one latent a candidate, in the order of the request. `latents` is (N, c, h, w)."""

    latents: torch.Tensor

    def to_bytes(self) -> bytes:
        return save({"latents": self.latents.contiguous()})

    @classmethod
    def from_bytes(cls, message: bytes) -> "CloudResponse":
        return cls(**load(message))


def _header(message: bytes) -> dict[str, str]:
    """The metadata of a safetensors message: 8 bytes of length, then JSON."""
    length = int.from_bytes(message[:8], "little")
    return json.loads(message[8 : 8 + length])["__metadata__"]
