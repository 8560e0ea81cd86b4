"""Run folders: every figure in `results/` has one behind it, with its configuration and environment."""

import errno
import hashlib
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from obclip_cli.compose import defaults_of, differing, flat
from obclip_cli.config import Config, PairConfig, plain
from obclip_cli.diffusion import hub
from obclip_cli.errors import UserError
from obclip_cli.resources import resolve

if TYPE_CHECKING:
    import pandas as pd

FINISHED = ".finished"
TEXTS = ("method", "prompt", "column")  # columns of tables that hold words of users
PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "torchmetrics",
    "open-clip-torch",
    "torch-fidelity",
    "numpy",
)


def fingerprint(*parts: Any) -> str:
    """Eight hexadecimal digits of what a run depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def run_digest(config: Config, *parts: Any) -> str:
    """Eight hexadecimal digits that tell a run from every other: its configuration, the pair's weights, and `parts`.

    Of the configuration only what differs from the defaults, so that a new setting renames no run.
    """
    return fingerprint(differing(plain(config), Config), pair_weights(config.pair), *parts)


def environment() -> dict[str, Any]:
    """Versions, hardware and commit of this run; nothing that names the machine or its user."""
    import torch

    return {
        "obclip": version("obclip"),
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    }


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; errors as in `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; one that holds the same is left alone, so that a read-only disk can be read.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    with suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        what = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another folder with -o"
        raise UserError(
            f"cannot write {path} ({error.strerror}); what was finished is kept: {what} and type the same command again"
        ) from error


def read_json(path: Path) -> Any:
    """A file that a run has written before.

    Raises:
        UserError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable ({error}); delete it and type the same command again") from error


def start(folder: Path, config: Config, **more: Any) -> None:
    """Make a run folder with `config.yaml`, and `environment.json` with `more` in it."""
    write_text(folder / "config.yaml", yaml.safe_dump(plain(config), sort_keys=False))
    write_environment(folder, models=models(config), **more)


def write_environment(folder: Path, **more: Any) -> None:
    """Write `environment.json`."""
    write_text(folder / "environment.json", json.dumps(environment() | more, indent=2) + "\n")


def models(config: Config) -> dict[str, list[dict[str, str | None]]]:
    """Where each side's weights come from, with the hub revision that was resolved; None for local files."""
    return {
        side: [{"source": copy.source, "revision": copy.revision} for copy in hub.copies(model)]
        for side, model in (("cloud", config.pair.cloud), ("device", config.pair.device))
    }


def is_finished(folder: Path, config: Config, *parts: Any) -> bool:
    """Whether the run in this folder came to its end, with the weights that are on this machine.

    The mark is not committed: a fresh clone makes the committed runs again. A copy of a folder stays finished.

    Args:
        parts: what else was asked for, where one folder may hold more or less.
    """
    mark = folder / FINISHED
    return mark.exists() and mark.read_text() == fingerprint(pair_weights(config.pair), *parts)


def mark_finished(folder: Path, config: Config, *parts: Any) -> None:
    """Mark the run in this folder as finished."""
    write_text(folder / FINISHED, fingerprint(pair_weights(config.pair), *parts))


def check_same(folder: Path, config: Config) -> None:
    """Refuse a folder that holds a run of another configuration.

    Raises:
        UserError: names the first setting that differs.
    """
    path = folder / "config.yaml"
    if not path.exists():
        return
    try:
        there = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not the settings of a run; choose another folder with -o") from error
    check_settings(folder, there, config)


def check_settings(folder: Path, there: dict[str, Any], config: Config) -> None:
    """The same for settings that were read already."""
    before, now, defaults = flat(there), flat(plain(config)), defaults_of(Config)
    for key in dict.fromkeys([*before, *now]):
        old, new = (values.get(key, defaults.get(key)) for values in (before, now))
        if old != new:
            raise UserError(f"{folder} holds a run with {key}={old}, not {new}; choose another folder with -o")


def _commit() -> str | None:
    """The commit of obclip's own checkout; None where it is installed, whatever repository that is in."""
    root = Path(__file__).resolve().parent.parent
    try:
        command = ["git", "rev-parse", "--show-toplevel", "--short", "HEAD"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    top, _, commit = done.stdout.strip().partition("\n")
    settings = root / "pyproject.toml"
    own = done.returncode == 0 and Path(top) == root and settings.exists() and 'name = "obclip"' in settings.read_text()
    return commit if own else None


def _processor() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"


def read_table(path: Path) -> "pd.DataFrame":
    """A CSV file that a run has written; only an empty cell is missing, and a prompt is text even if it is "1e5".

    Raises:
        UserError: it is not one.
    """
    import pandas as pd

    try:
        text = StringIO(path.read_text(encoding="utf-8"))
        return pd.read_csv(text, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(TEXTS, str))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not readable ({reason}); delete it and type the same command again") from error


def pair_weights(pair: PairConfig) -> dict[str, str | None]:
    """The local weights of a pair: the commit of a hub copy, else a digest; None where there are none."""
    found: dict[str, str | None] = {}
    for side, model in (("cloud", pair.cloud), ("device", pair.device)):
        for copy in hub.copies(model):
            digest = copy.revision or (weights_digest(copy.folder) if copy.folder else None)
            found[f"{side}.{copy.key}"] = digest
    judge = Path(resolve(pair.judge)) if pair.judge else None
    found["judge"] = weights_digest(judge) if judge is not None and judge.is_dir() else None
    return found


def check_writable(folder: Path) -> None:
    """See whether a folder can be made and written, before any work is done; nothing is made.

    Raises:
        UserError: it cannot.
    """
    try:
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder} ({error.strerror}); choose another folder with -o") from error


ENDS = 1 << 20  # bytes of either end of a weight file


def digest_of(parts: Iterable[bytes | str]) -> str:
    """Sixteen hexadecimal digits of a sequence of texts or bytes; where one ends and the next begins counts."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "big"))
        found.update(content)
    return found.hexdigest()[:16]


def weights_digest(place: Path) -> str:
    """Digest of a model's folder or file by its settings and by the size and both ends of each weight file.

    Training changes every tensor, so that the ends of gigabytes are enough, and a run can ask at once.
    """
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    kept = [path for path in files if path.suffix in (".json", ".safetensors", ".bin", ".pth", ".pt", ".txt")]
    return digest_of(part for path in kept for part in (path.name, str(path.stat().st_size), *_ends(path)))


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(max(0, path.stat().st_size - ENDS))
        return first, file.read()
