"""What crosses the line between device and cloud: two frozen messages and their bytes.

The request holds candidates in canonical order and public numbers; nothing tells which candidate is real. Whoever
reads a message checks it first: the other side may be broken or hostile.
"""

import hashlib
import ipaddress
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from obclip_cli.errors import UserError

VERSION = 1
TENSORS = ("latents", "history")
MAX_HEADER = 1 << 20  # bytes of a safetensors header: all prompts of a request, with room
DTYPES = {"F16": 2, "BF16": 2, "F32": 4}  # bytes an element
SEEDS = 1 << 63
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class CloudRequest:
    """Goes up: denoise these candidates from one z_T (arXiv 2510.04153, Algorithm 1 lines 3-8).

    Attributes:
        candidates: N prompts.
        steps: denoising steps of the cloud's whole schedule.
        start, stop: the cloud runs steps start..stop-1.
        guidance_scale: classifier-free guidance; 1 turns it off.
        noise_seed: public seed of z_T, the same for all candidates.
        positions: the steps of start..stop-1 that are taken where some are left out, increasing, the first one start;
            each goes to the next one's noise level and the last one to stop's. None: all.
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
    positions: tuple[int, ...] | None = None

    def to_bytes(self) -> bytes:
        """The message as it is sent: safetensors, the numbers as JSON in its header."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in TENSORS}
        if self.positions is None:
            del values["positions"]
        return save(_present(self), metadata={"request": json.dumps(values)})

    @classmethod
    def from_bytes(cls, message: bytes) -> "CloudRequest":
        """Read a message and check all that can be checked without the model.

        Raises:
            UserError: says what is wrong with it.
        """
        header, tensors = _read(message)
        values = parsed(_text(header.get("__metadata__", {}), "request"))
        _check_values(values)
        values["candidates"] = tuple(values["candidates"])
        if "positions" in values:
            values["positions"] = tuple(values["positions"])
        latents, history = tensors.get("latents"), tensors.get("history")
        if any(tensor is not None and len(tensor) != 1 for tensor in (latents, history)):
            raise UserError("the request's latents must be one row, that all candidates start from")
        if history is not None and (latents is None or not _alike(latents, history)):
            raise UserError("the request's history needs latents of its own shape and dtype")
        return cls(**values, latents=latents, history=history)


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
        """Read a message and check it; whether it answers a request, `device.remote` asks.

        Raises:
            UserError: says what is wrong with it.
        """
        _, tensors = _read(message)
        if "latents" not in tensors:
            raise UserError("the message holds no latents")
        if "history" in tensors and not _alike(tensors["latents"], tensors["history"]):
            raise UserError("the message's latents and history differ in shape or dtype")
        return cls(**tensors)


@dataclass(frozen=True)
class Offer:
    """What a server says of itself before the first request.

    Attributes:
        version: of these messages.
        unet, text_tokens: the large model's architecture, from which costs are counted.
        latent_space: what two models must agree in to hand over latents; see `diffusion.models.latent_space`.
        latent_shape: (c, h, w).
        dtype: of latents, such as float32.
        solver: dpm_solver or lcm.
        noise_levels: sigma before each step of the schedule that was asked for, and after the last.
        cache: the accelerations in use.
        rows: most rows of a batch that the cloud holds at once.
        max_candidates, max_prompt_characters, max_steps: of one request.
        logs_prompts: whether prompts are written to the server's log.
    """

    version: int
    pair: str
    unet: dict[str, Any]
    text_tokens: int
    latent_space: dict[str, Any]
    latent_shape: tuple[int, int, int]
    dtype: str
    solver: str
    noise_levels: tuple[float, ...]
    cache: dict[str, Any]
    rows: int
    max_candidates: int
    max_prompt_characters: int
    max_steps: int
    logs_prompts: bool

    def to_bytes(self) -> bytes:
        """As JSON."""
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)}).encode()

    @classmethod
    def from_bytes(cls, message: bytes) -> "Offer":
        """Read an offer and check its types.

        Raises:
            UserError: it is not one, or of another version.
        """
        values = parsed(message)
        if values.get("version") != VERSION:
            raise UserError(f"the server speaks version {values.get('version')} of the protocol, this device {VERSION}")
        for name, kind in _offered().items():
            if type(values.get(name)) is not kind:
                raise UserError(f"the server says no {name} that this device understands")
        shape, levels = values["latent_shape"], values["noise_levels"]
        if len(shape) != 3 or not all(type(side) is int and 1 <= side <= 4096 for side in shape):
            raise UserError("the server's latent_shape is not three sizes")
        if not all(type(level) in (int, float) and math.isfinite(level) for level in levels):
            raise UserError("the server's noise_levels are not finite numbers")
        if values["dtype"] not in ("float16", "bfloat16", "float32"):
            raise UserError("the server's dtype is none that latents have")
        known = {f.name: values[f.name] for f in fields(cls)}
        return cls(**known | {"latent_shape": tuple(shape), "noise_levels": tuple(levels)})


def _offered() -> dict[str, type]:
    """The fields of an offer, with their types as JSON has them."""
    hints = get_type_hints(Offer)
    return {
        f.name: {tuple: list}.get(get_origin(hints[f.name]), get_origin(hints[f.name]) or hints[f.name])
        for f in fields(Offer)
    }


def read_token(file: str | Path | None) -> str | None:
    """The bearer token that both sides know: of a file, else of the environment (OBCLIP_TOKEN_FILE, OBCLIP_TOKEN).

    Raises:
        UserError: the file cannot be read, or the token is too short to be one.
    """
    file = file or os.environ.get("OBCLIP_TOKEN_FILE")
    try:
        token = Path(file).read_text("utf-8") if file else os.environ.get("OBCLIP_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the token in {file} ({error}); write it there, and nothing else") from error
    if token is None:
        return None
    token = token.strip()
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"a token has at least {SHORTEST_TOKEN} characters of ASCII; `openssl rand -hex 32` makes one")
    return token


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def order_digest(candidates: Sequence[str]) -> str:
    """Names an order of candidates; the server says with it in which order its rows are."""
    return hashlib.sha256(json.dumps(list(candidates)).encode()).hexdigest()


def _present(message: CloudRequest | CloudResponse) -> dict[str, torch.Tensor]:
    tensors = {name: getattr(message, name) for name in TENSORS}
    return {name: tensor.cpu().contiguous() for name, tensor in tensors.items() if tensor is not None}


def _read(message: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Header and tensors; what the header says is checked before safetensors reads it."""
    length = int.from_bytes(message[:8], "little")
    if len(message) < 8 or not 2 <= length <= min(MAX_HEADER, len(message) - 8):
        raise UserError("the message is not safetensors: its header does not fit")
    header = parsed(message[8 : 8 + length])
    named = {name: entry for name, entry in header.items() if name != "__metadata__"}
    for name, entry in named.items():
        _check_tensor(name, entry, len(message))
    try:
        tensors = load(message)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise UserError("the message is not safetensors: header and data do not fit") from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"the message's {name} hold NaN or infinity")
    return header, tensors


def parsed(text: bytes | str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: it is none.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError("what came is not JSON") from error
    if not isinstance(values, dict):
        raise UserError("what came is not a JSON object")
    return values


def _text(metadata: Any, name: str) -> str:
    if not isinstance(metadata, dict) or not isinstance(metadata.get(name), str):
        raise UserError(f"the message's header holds no {name}")
    return str(metadata[name])


def _check_tensor(name: str, entry: Any, most: int) -> None:
    """One tensor's line of the header: its name, its type, and four dimensions that fit into the message."""
    shape, dtype = (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)
    if name not in TENSORS or not isinstance(shape, list) or dtype not in tuple(DTYPES):
        raise UserError(f"the message may hold {' and '.join(TENSORS)}, of {', '.join(DTYPES)}, and no other tensor")
    whole = len(shape) == 4 and all(type(side) is int and 1 <= side <= most for side in shape)
    if not whole or math.prod(shape) * DTYPES[str(dtype)] > most:
        raise UserError(f"the message's {name} must have four dimensions and fit into it")


def _check_values(values: dict[str, Any]) -> None:
    """The numbers and prompts of a request."""
    wanted = {f.name for f in fields(CloudRequest)} - {*TENSORS, "positions"}
    if set(values) - {"positions"} != wanted:
        raise UserError(f"a request holds exactly {', '.join(sorted(wanted))}, and positions where steps are left out")
    candidates, scale = values["candidates"], values["guidance_scale"]
    if not isinstance(candidates, list) or not all(isinstance(c, str) and _is_unicode(c) for c in candidates):
        raise UserError("the request's candidates must be a list of texts")
    if not candidates:
        raise UserError("the request holds no candidate; send at least one prompt")
    if any(type(values[name]) is not int for name in ("steps", "start", "stop", "noise_seed")):
        raise UserError("the request's steps, start, stop and noise_seed must be whole numbers")
    steps, start, stop = values["steps"], values["start"], values["stop"]
    if steps < 1 or not 0 <= start <= stop <= steps:
        raise UserError(
            f"the request asks for steps {start}..{stop - 1} of a schedule of {steps}; ask for steps inside it"
        )
    if "positions" in values:
        check_positions(values["positions"], start, stop)
    if type(scale) not in (int, float) or not 0 <= scale < math.inf:
        raise UserError("the request's guidance_scale must be a finite number, at least 0")
    if not 0 <= values["noise_seed"] < SEEDS:
        raise UserError("the request's noise_seed must lie in 0..2^63-1")
    if type(values["wants_history"]) is not bool:
        raise UserError("the request's wants_history must be true or false")


def check_positions(positions: Any, start: int, stop: int) -> None:
    """Refuse steps that cannot be those which are left of start..stop-1.

    Raises:
        UserError: says what they must be.
    """
    whole = isinstance(positions, list | tuple) and all(type(place) is int for place in positions)
    if not whole or not positions or positions[0] != start or positions[-1] >= stop or not _increases(positions):
        raise UserError(
            f"the request's positions must be whole numbers in {start}..{stop - 1} that increase and begin with {start}"
        )


def _increases(numbers: Sequence[int]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def _is_unicode(text: str) -> bool:
    """JSON may spell half a surrogate pair, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype
