"""What was counted before, in the user's cache: the same step of the same model under the same code."""

import inspect
import json
import sys
from collections.abc import Hashable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import diffusers
import torch

from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.errors import UserError
from obclip_cli.resources import cache_folder, package_folder
from obclip_cli.runs import digest_of, write_text

# What a count follows from: the accelerations, what they look at, and the counting.
COUNTED = ("cloud", "cost", "diffusion")


def code_digest(chosen: Sequence[Acceleration]) -> str | None:
    """Digest of the code that is counted; None where an acceleration's source cannot be read (a notebook's)."""
    own = {type(part).__module__ for part in chosen if not type(part).__module__.startswith("obclip_cli.")}
    try:
        sources = [inspect.getsource(sys.modules[name]) for name in sorted(own)]
    except (OSError, TypeError, KeyError):
        return None
    return digest_of([torch.__version__, diffusers.__version__, *package_sources(package_folder()), *sources])


@lru_cache
def package_sources(folder: Path) -> tuple[bytes, ...]:
    """The files of `COUNTED`, read once: what is imported does not change either."""
    return tuple(path.read_bytes() for name in COUNTED for path in sorted((folder / name).rglob("*.py")))


def recall(code: str | None, step: Hashable) -> list[int] | None:
    """The counts of a step, or None where there are none, or only a broken file."""
    with suppress(OSError, ValueError):
        found = json.loads(_path(code, step).read_text()) if code else None
        if isinstance(found, list) and all(isinstance(count, int) for count in found):
            return found
    return None


def remember(code: str | None, step: Hashable, counts: Sequence[int]) -> None:
    """Keep the counts of a step; a cache that cannot be written is done without."""
    if code:
        with suppress(UserError):
            write_text(_path(code, step), json.dumps(counts))


def _path(code: str, step: Hashable) -> Path:
    return cache_folder("macs") / f"{digest_of([code, repr(step)])}.json"
