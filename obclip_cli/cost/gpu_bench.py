"""The benchmark on a GPU: SD and SDXL at full size with random weights, in half precision, with every preset.

Beside the speed-ups of bench.py a row has launches, peak memory, and the share of the card's matrix multiplication at
its measured best, which says how far from the limit a phase runs. Every part of it also runs on a CPU.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch.profiler import ProfilerActivity, profile

from obclip_cli.cloud.accelerate import accelerations
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.cost.bench import STEPS, VANILLA, Bench, Phase, run_steps, step_seconds, sums_of_kinds
from obclip_cli.cost.latency import peak_memory, timed
from obclip_cli.diffusion.architectures import Architecture, load_architecture
from obclip_cli.diffusion.models import default_device
from obclip_cli.diffusion.random_weights import random_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.resources import data_folder

MODELS = {"sd14": "SD-v1.4", "sdxl": "SDXL"}
DTYPES = ("float16", "bfloat16")
CANDIDATES = (1, 2, 6, 30)
REPEATS = 5
# A first pass chooses kernels by time, a second compiles, a third is captured as a graph.
WARM = 3
SIDE = {"cuda": 8192, "cpu": 512}  # of the matrices whose product is timed
# What the host calls to give a device work, by its name in a profile.
CALLS = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")


def preset_names() -> list[str]:
    """The presets of configs/cache that are for one switch point, which their names end with."""
    return sorted(path.stem for path in (data_folder("configs") / "cache").glob("*_k*.yaml"))


def preset_phases() -> list[Phase]:
    """Vanilla OG, ObCLIP bare at each switch point of the presets, and each preset."""
    found = [Phase(VANILLA, STEPS, STEPS)]
    presets = {name: int(re.findall(r"_k(\d+)$", name)[0]) for name in preset_names()}
    found += [Phase("ObCLIP", k, k) for k in sorted(set(presets.values()))]
    for name, k in sorted(presets.items(), key=lambda item: item[::-1]):
        config = compose_config([f"cache={name}", f"hybrid.switch_point={k}", f"hybrid.steps={STEPS}"])
        steps = split(config.pair, config.hybrid).cloud_steps
        found.append(Phase(name, k, steps, tuple(accelerations(config.cache))))
    return found


def gpu_benches(*, compiles: bool = False) -> dict[str, Bench]:
    """Each model in each number format."""
    return {
        f"{model}-{dtype}": Bench(
            f"{label}, {dtype}",
            partial(_full_size, model, dtype),
            measured,
            repeats=REPEATS,
            phases=preset_phases,
            candidates=CANDIDATES,
            compiles=compiles,
            more=further_columns,
        )
        for model, label in MODELS.items()
        for dtype in DTYPES
    }


def _full_size(model: str, dtype: str) -> tuple[DiffusionPipeline, Architecture]:
    architecture = load_architecture(model)
    return random_pipeline(architecture, scheduler="dpm_solver", dtype=dtype, device=default_device()), architecture


def measured(server: CloudServer, n: int, wanted: list[Phase], repeats: int) -> dict[str, float]:
    """Seconds of each phase as the sum of its steps' medians, after all kinds of step are warm."""
    for _ in range(WARM):
        for phase in wanted:
            step_seconds(server, n, phase.shortened())
    return sums_of_kinds(server, n, wanted, repeats)


def further_columns(server: CloudServer, n: int, phase: Phase, row: dict[str, Any]) -> dict[str, Any]:
    """Launches of the whole phase, peak memory in GB with the weights, and the share of the measured peak."""
    short = phase.shortened()
    launches = dict(zip(short.kinds(), step_launches(server, n, short), strict=True))
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    step_seconds(server, n, short)
    peak = matmul_peak(server.pipeline.unet.dtype, server.pipeline.device)
    return {
        "launches": sum(launches[kind] for kind in phase.kinds()),
        "peak_memory_gb": round(peak_memory() / 1e9, 3),
        "share_of_peak": round(1e9 * row["gmacs"] / max(row["seconds"], 1e-9) / peak, 3),
    }


def step_launches(server: CloudServer, n: int, phase: Phase) -> list[int]:
    """How often the host gives the device work in each step of a phase."""
    profiles: list[profile] = []
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]

    def next_step() -> None:
        if profiles:
            profiles[-1].stop()
        if len(profiles) < phase.steps:
            profiles.append(profile(activities=kinds))
            profiles[-1].start()

    run_steps(server, n, phase, next_step)
    return [launches_of(found.events()) for found in profiles]


def launches_of(events: Any) -> int:
    """Calls of the CUDA runtime that launch something; without CUDA, operators that call no other."""
    calls = sum(event.name.startswith(CALLS) for event in events)
    return calls or sum(event.name.startswith("aten::") and not event.cpu_children for event in events)


_peaks: dict[tuple[torch.dtype, str], float] = {}


def matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """Multiply-accumulates a second of a large matrix product, the best of several; measured once."""
    if (dtype, device.type) not in _peaks:
        side = SIDE[device.type]
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        run: Callable[[], object] = partial(torch.mm, left, right)
        _peaks[dtype, device.type] = side**3 / min([timed(run) for _ in range(10)])
    return _peaks[dtype, device.type]


def card() -> dict[str, Any]:
    """What is measured on: driver, CUDA, cuDNN and the card's memory, for environment.json."""
    tool, driver = shutil.which("nvidia-smi"), None
    if tool is not None:
        asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip().partition("\n")[0]
    memory = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    versions = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return {"driver": driver or None, **versions, "accelerator_memory_bytes": memory}
