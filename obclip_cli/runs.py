"""Run folders: every figure in `results/` has one behind it, with its configuration and environment."""

import hashlib
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from obclip_cli.config import Config, plain
from obclip_cli.diffusion import hub

FINISHED = ".finished"
PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "torchmetrics", "open-clip-torch", "numpy")


def fingerprint(*parts: Any) -> str:
    """Eight hexadecimal digits of what a run depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]


def environment() -> dict[str, Any]:
    """Versions, hardware and commit of this run; nothing that names the machine or its user."""
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
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def start(folder: Path, config: Config) -> None:
    """Make a run folder with `config.yaml` and `environment.json`."""
    write_text(folder / "config.yaml", yaml.safe_dump(plain(config), sort_keys=False))
    write_environment(folder, models=models(config))


def write_environment(folder: Path, **more: Any) -> None:
    """Write `environment.json`."""
    write_text(folder / "environment.json", json.dumps(environment() | more, indent=2) + "\n")


def models(config: Config) -> dict[str, list[dict[str, str | None]]]:
    """Where each side's weights come from, with the hub revision that was resolved; None for files of one's own."""
    return {
        side: [{"source": copy.source, "revision": copy.revision} for copy in hub.copies(model)]
        for side, model in (("cloud", config.pair.cloud), ("device", config.pair.device))
    }


def is_finished(folder: Path, config: Config) -> bool:
    """Whether the run in this folder came to its end here, with the weights that are here now.

    The mark is not committed: a fresh clone makes the committed runs again.
    """
    mark = folder / FINISHED
    return mark.exists() and mark.read_text() == _weights(config)


def mark_finished(folder: Path, config: Config) -> None:
    """Say that the run in this folder came to its end."""
    write_text(folder / FINISHED, _weights(config))


def _weights(config: Config) -> str:
    """A fingerprint of both models' files: the hub's revision, or names, sizes and times of files of one's own."""
    found: list[Any] = []
    for copy in [*hub.copies(config.pair.cloud), *hub.copies(config.pair.device)]:
        files = [] if copy.revision or copy.folder is None else sorted(copy.folder.rglob("*.safetensors"))
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        found.append((copy.source, copy.revision, stats))
    return fingerprint(found)


def _commit() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def _processor() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"
