"""What crosses the line between device and cloud: two frozen messages and their bytes.

The request holds candidates in canonical order and public numbers; nothing tells which candidate is real.
"""

import json
from dataclasses import dataclass, fields

import torch
from safetensors.torch import load, save

TENSORS = ("latents", "history")


@dataclass(frozen=True)
class CloudRequest:
    """Goes up: denoise these candidates from one z_T (arXiv 2510.04153, Algorithm 1 lines 3-8).

    Attributes:
        candidates: N prompts.
        steps: denoising steps of the cloud's whole schedule.
        start, stop: the cloud runs steps start..stop-1.
        guidance_scale: classifier-free guidance; 1 turns it off.
        noise_seed: public seed of z_T, the same for all candidates.
        wants_history: send each candidate's last solver output back with its latent.
        latents: (1, c, h, w) to start from instead of z_T, when the device went first.
        history: (1, c, h, w), the device's last solver output, when it went first and hands it over.
    """

    candidates: tuple[str, ...]
    steps: int
    start: int
    stop: int
    guidance_scale: float
    noise_seed: int
    wants_history: bool = False
    latents: torch.Tensor | None = None
    history: torch.Tensor | None = None

    def to_bytes(self) -> bytes:
        """The message as it is sent: safetensors, the numbers as JSON in its header."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in TENSORS}
        return save(_present(self), metadata={"request": json.dumps(values)})

    @classmethod
    def from_bytes(cls, message: bytes) -> "CloudRequest":
        values = json.loads(_header(message)["request"])
        values["candidates"] = tuple(values["candidates"])
        tensors = load(message)
        return cls(**values, latents=tensors.get("latents"), history=tensors.get("history"))


@dataclass(frozen=True)
class CloudResponse:
    """Comes back: one latent a candidate, in the order of the request, and history for all of them or none.

    Attributes:
        latents: (N, c, h, w).
        history: the solver's last output, (N, c, h, w).
    """

    latents: torch.Tensor
    history: torch.Tensor | None = None

    def to_bytes(self) -> bytes:
        return save(_present(self))

    @classmethod
    def from_bytes(cls, message: bytes) -> "CloudResponse":
        return cls(**load(message))


def _present(message: CloudRequest | CloudResponse) -> dict[str, torch.Tensor]:
    tensors = {name: getattr(message, name) for name in TENSORS}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}


def _header(message: bytes) -> dict[str, str]:
    """The metadata of a safetensors message: 8 bytes of length, then JSON."""
    length = int.from_bytes(message[:8], "little")
    return json.loads(message[8 : 8 + length])["__metadata__"]
