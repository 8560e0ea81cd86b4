"""The benchmark on a GPU: SD and SDXL at full size with random weights, in half precision, with every preset.

Beside the speed-ups of bench.py a row has launches, peak memory, and the share of the card's matrix multiplication at
its measured best, which says how far from the limit a phase runs. Every part of it also runs on a CPU.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch.profiler import ProfilerActivity, profile

from obclip_cli.cloud.accelerate.acceleration import Kinds
from obclip_cli.cloud.accelerate.shared_maps import told_once
from obclip_cli.cloud.server import CloudServer
from obclip_cli.cost.bench import (
    PRESETS,
    STEPS,
    VANILLA,
    Bench,
    Phase,
    covering,
    preset_phases,
    run_steps,
    step_seconds,
    sums_of_kinds,
)
from obclip_cli.cost.latency import peak_memory, timed
from obclip_cli.diffusion.architectures import Architecture, load_architecture
from obclip_cli.diffusion.models import default_device
from obclip_cli.diffusion.random_weights import random_pipeline

MODELS = {"sd14": "SD-v1.4", "sdxl": "SDXL"}
DTYPES = ("float16", "bfloat16")
REPEATS = 2
LONGEST = 2.0  # seconds that more than these repeats may take together
# The number of candidates that tells most comes first.
CANDIDATES = (6, 1, 2, 30)
# A first pass chooses kernels by time; of a compiled model a second compiles and a third is captured as a graph.
WARM = {False: 1, True: 3}
SIDE = {"cuda": 8192, "cpu": 512}  # of the matrices whose product is timed
# What the host calls to give a device work, by its name in a profile.
CALLS = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")


def phases() -> list[Phase]:
    """Vanilla OG, and at each switch point of the paper's presets ObCLIP bare and every preset."""
    at = [[Phase("ObCLIP", k, k), *preset_phases(k)] for k in PRESETS]
    return [Phase(VANILLA, STEPS, STEPS), *chain.from_iterable(at)]


def gpu_benches(*, compiles: bool = False) -> dict[str, Bench]:
    """Each model in each number format, in the order of what they tell."""
    return {
        f"{model}-{dtype}": Bench(
            f"{label}, {dtype}",
            partial(_full_size, model, dtype),
            measured,
            repeats=REPEATS,
            phases=phases,
            candidates=CANDIDATES,
            compiles=compiles,
            more=further_columns,
        )
        for dtype in DTYPES
        for model, label in MODELS.items()
    }


def _full_size(model: str, dtype: str) -> tuple[DiffusionPipeline, Architecture]:
    architecture = load_architecture(model)
    return random_pipeline(architecture, scheduler="dpm_solver", dtype=dtype, device=default_device()), architecture


def measured(server: CloudServer, n: int, wanted: list[Phase], repeats: int) -> dict[str, float]:
    """Seconds of each phase as the sum of its steps' medians, after all kinds of step are warm."""
    for _ in range(WARM[server.compiles]):
        for phase in covering(wanted):
            step_seconds(server, n, phase)
    return sums_of_kinds(server, n, wanted, repeats, LONGEST)


def further_columns(
    server: CloudServer, n: int, wanted: list[Phase], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Launches of each whole phase, its peak memory in GB with the weights, and its share of the measured peak."""
    launches: dict[Kinds, int | None] = {}
    memory: dict[Kinds, float] = {}
    for phase in covering(wanted):
        for kind, (count, held) in zip(phase.kinds(), looked_at(server, n, phase, set(launches)), strict=True):
            launches.setdefault(kind, count)
            memory[kind] = max(held, memory.get(kind, 0.0))
    peak = matmul_peak(server.pipeline.unet.dtype, server.pipeline.device)
    found: list[dict[str, Any]] = []
    for phase, row in zip(wanted, rows, strict=True):
        counts = [launches[kind] for kind in phase.kinds()]
        found.append(
            {
                "launches": sum(count or 0 for count in counts) if all(counts) else None,
                "peak_memory_gb": round(max(memory[kind] for kind in phase.kinds()) / 1e9, 3),
                "share_of_peak": round(1e9 * row["gmacs"] / max(row["seconds"], 1e-9) / peak, 3),
            }
        )
    return found


def looked_at(server: CloudServer, n: int, phase: Phase, known: set[Kinds]) -> list[tuple[int | None, float]]:
    """How often the host gives the device work in each step of a phase, and the most bytes held in it.

    Args:
        known: kinds of step whose launches need not be counted, which takes seconds: theirs are None.
    """
    found: list[tuple[int | None, float]] = []
    running: list[profile | None] = []
    of_steps = phase.kinds()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]

    def next_step() -> None:
        if running:
            found.append((_stopped(running.pop()), float(peak_memory())))
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        if len(found) < phase.steps:
            kind = of_steps[len(found)]
            running.append(None if kind in known else _started(activities))
            known.add(kind)

    run_steps(server, n, phase, next_step)
    return found


def _started(activities: list[ProfilerActivity]) -> profile | None:
    """A profile; None where this machine lets nobody look."""
    try:
        found = profile(activities=activities)
        found.start()
    except RuntimeError:
        return None
    return found


def _stopped(found: profile | None) -> int | None:
    """Launches of a profile."""
    if found is None:
        return None
    found.stop()
    return launches_of(found.events())


def launches_of(events: Any) -> int | None:
    """Calls of the CUDA runtime that launch something; without CUDA, operators that call no other. None: none seen."""
    calls = sum(event.name.startswith(CALLS) for event in events)
    if not calls and not torch.cuda.is_available():
        calls = sum(event.name.startswith("aten::") and not event.cpu_children for event in events)
    return calls or None


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
    """What was measured on, for environment.json: driver, versions, memory, the measured peak of matrix products, and
    the kernels that pivot attention chose, with their times.
    """
    tool, driver = shutil.which("nvidia-smi"), None
    if tool is not None:
        asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip().partition("\n")[0]
    memory = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    versions = {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    found = {"driver": driver or None, **versions, "accelerator_memory_bytes": memory}
    peaks = {str(dtype)[6:]: round(2e-12 * peak, 1) for (dtype, _), peak in _peaks.items()}
    return found | {"matmul_peak_tflops": peaks, "pivot_attention": told_once}
