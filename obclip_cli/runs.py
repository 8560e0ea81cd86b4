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
    write_environment(folder)


def write_environment(folder: Path) -> None:
    """Write `environment.json`."""
    write_text(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")


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
