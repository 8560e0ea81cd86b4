"""Does the measured speed-up of the cloud phase keep up with the multiply-accumulates saved? `make bench`.

Methods run in turn in one process: vanilla OG (the cloud does all steps for all N), ObCLIP bare, and ObCLIP with one
acceleration of the paper's presets after the other. On `mini` whole phases are timed. On the architecture of SD-v1.4,
at 32x32 latents and with random weights, every kind of step is timed and a phase is the sum of its steps: steps of one
kind do the same work, and 25 of them take a quarter of an hour on a small machine. gpu_bench.py has what is measured on
a GPU.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any

import pandas as pd
import torch
from diffusers import DiffusionPipeline

from obclip_cli.cloud.accelerate import accelerations
from obclip_cli.cloud.accelerate.acceleration import Acceleration, Kinds, kinds
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import compose_config
from obclip_cli.cost.macs import steps_macs
from obclip_cli.diffusion.architectures import Architecture, load_architecture
from obclip_cli.diffusion.models import default_device, load_pipeline
from obclip_cli.diffusion.random_weights import random_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.protocol import CloudRequest
from obclip_cli.resources import data_folder

STEPS = 25
CANDIDATES = (2, 6, 10)
PRESETS = {5: "paper_k5", 10: "paper_k10"}
VANILLA = "vanilla OG"
GUIDANCE_SCALE = 7.0
MOST_ROUNDS = 10


@dataclass(frozen=True)
class Phase:
    """One method's part on the cloud: `steps` steps for all candidates."""

    method: str
    k: int
    steps: int
    chosen: tuple[Acceleration, ...] = ()

    @property
    def name(self) -> str:
        """Method and switch point."""
        return f"{self.method}, k={self.k}"

    def kinds(self) -> list[Kinds]:
        """The kind of each step."""
        return [kinds(self.chosen, step) for step in range(self.steps)]

    def shortened(self) -> "Phase":
        """Without the steps after which no new kind comes."""
        of_steps = self.kinds()
        return replace(self, steps=1 + max(of_steps.index(kind) for kind in of_steps))


def preset_phases(k: int, besides: Collection[str] = ()) -> list[Phase]:
    """The presets of configs/cache that are for a switch point, with which their names end."""
    found = []
    for name in sorted(path.stem for path in (data_folder("configs") / "cache").glob(f"*_k{k}.yaml")):
        config = compose_config([f"cache={name}", f"hybrid.switch_point={k}", f"hybrid.steps={STEPS}"])
        if name not in besides:
            steps = split(config.pair, config.hybrid).cloud_steps
            found.append(Phase(name, k, steps, tuple(accelerations(config.cache))))
    return found


def phases(k: int) -> list[Phase]:
    """The methods to compare for one switch point: the paper's, each with what the one before has, and our presets."""
    found = [Phase(VANILLA, k, STEPS), Phase("ObCLIP", k, k)]
    chosen: list[Acceleration] = []
    preset = compose_config([f"cache={PRESETS[k]}", f"hybrid.switch_point={k}"]).cache
    for name, parts in groupby(accelerations(preset), key=lambda part: part.method_name):
        chosen += parts
        found.append(Phase(f"+ {name}", k, k, tuple(chosen)))
    return found + preset_phases(k, PRESETS.values())


@dataclass(frozen=True)
class Bench:
    """A model to measure.

    Attributes:
        load: gives the model, and the architecture on which its costs are counted.
        measure: gives the seconds of each phase for N candidates, in one process and in turn.
        repeats: timed rounds, after one that warms up.
        phases: the methods to compare, vanilla OG before those that are held against it.
        candidates: each N.
        compiles: measure compiled models (`cloud.compile`).
        more: gives the further columns of each phase, of which there is a row.
    """

    name: str
    load: Callable[[], tuple[DiffusionPipeline, Architecture]]
    measure: "Callable[[CloudServer, int, list[Phase], int], dict[str, float]]"
    repeats: int
    phases: "Callable[[], list[Phase]]" = lambda: [phase for k in PRESETS for phase in phases(k)]
    candidates: tuple[int, ...] = CANDIDATES
    compiles: bool = False
    more: "Callable[[CloudServer, int, list[Phase], list[dict[str, Any]]], list[dict[str, Any]]] | None" = None


def measure(bench: Bench, pipeline: DiffusionPipeline, model: Architecture, n: int) -> pd.DataFrame:
    """One row a method and switch point, for N candidates."""
    wanted, server = bench.phases(), CloudServer(pipeline, batch=2 * n, compiles=bench.compiles)
    seconds = bench.measure(server, n, wanted, bench.repeats)
    rows = list(compared(model, n, wanted, seconds))
    more = [{} for _ in rows] if bench.more is None else bench.more(server, n, wanted, rows)
    return pd.DataFrame([{"model": bench.name, "n": n} | row | found for row, found in zip(rows, more, strict=True)])


def compared(model: Architecture, n: int, wanted: list[Phase], seconds: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Each phase against the vanilla OG before it: multiply-accumulates and seconds."""
    for phase in wanted:
        costs = steps_macs(
            model.unet, model.text_tokens, candidates=n, guided=True, steps=phase.steps, chosen=phase.chosen
        )
        macs = sum(cost.total for cost in costs)
        if phase.method == VANILLA:
            all_macs, all_seconds = macs, seconds[phase.name]
        by_macs, measured = all_macs / macs, all_seconds / seconds[phase.name]
        yield {
            "k": phase.k,
            "method": phase.method,
            "gmacs": round(macs / 1e9, 2),
            "seconds": round(seconds[phase.name], 4),
            "speedup_by_macs": round(by_macs, 3),
            "speedup_measured": round(measured, 3),
            "measured_over_macs": round(measured / by_macs, 3),
        }


def whole_phases(server: CloudServer, n: int, wanted: list[Phase], repeats: int) -> dict[str, float]:
    """Median seconds of each phase run as a whole."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(repeats + 1):
        for phase in wanted:
            times[phase.name].append(sum(step_seconds(server, n, phase)))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def sums_of_kinds(
    server: CloudServer, n: int, wanted: list[Phase], repeats: int, most: float = 0.0
) -> dict[str, float]:
    """Seconds of each phase as the sum of its steps' medians, each kind of step timed in a short phase.

    Args:
        repeats: rounds at least; more of them until `most` seconds are measured.
    """
    times: dict[Kinds, list[float]] = defaultdict(list)
    short = covering(wanted)
    step_seconds(server, n, short[0])  # warm up
    rounds = 0
    while rounds < repeats or (sum(map(sum, times.values())) < most and rounds < MOST_ROUNDS):
        rounds += 1
        for phase in short:
            for kind, seconds in zip(phase.kinds(), step_seconds(server, n, phase), strict=True):
                times[kind].append(seconds)
    medians = {kind: statistics.median(found) for kind, found in times.items()}
    return {phase.name: sum(medians[kind] for kind in phase.kinds()) for phase in wanted}


def covering(wanted: list[Phase]) -> list[Phase]:
    """Few, shortened, that hold all kinds of step: those with the most kinds first, the shortest of them."""
    chosen: list[Phase] = []
    for phase in sorted(
        (phase.shortened() for phase in wanted), key=lambda phase: (-len(set(phase.kinds())), phase.steps)
    ):
        if set(phase.kinds()) - {kind for other in chosen for kind in other.kinds()}:
            chosen.append(phase)
    return chosen


def step_seconds(server: CloudServer, n: int, phase: Phase) -> list[float]:
    """Seconds of each step of a phase for N candidates, guidance and solver included; text encoding is not."""
    marks: list[Any] = []
    run_steps(server, n, phase, lambda: marks.append(mark()))
    return [seconds_between(before, after) for before, after in pairwise(marks)]


def run_steps(server: CloudServer, n: int, phase: Phase, between: Callable[[], object]) -> None:
    """Run a phase for N candidates, with `between` called before each of its steps and after the last."""
    handle = server.pipeline.unet.register_forward_pre_hook(lambda *_: between() and None)
    server.accelerations = list(phase.chosen)
    try:
        server.denoise(CloudRequest(prompts(n), STEPS, 0, phase.steps, GUIDANCE_SCALE, 0))
    finally:
        handle.remove()
    between()


def mark() -> Any:
    """This moment: on CUDA in its stream of work, so that nothing waits for it."""
    if not torch.cuda.is_available():
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def seconds_between(before: Any, after: Any) -> float:
    """Between two marks."""
    if isinstance(before, float):
        return float(after - before)
    after.synchronize()
    return float(before.elapsed_time(after)) / 1e3


def prompts(n: int) -> tuple[str, ...]:
    """N prompts that differ, so that nothing may be shared by mistake."""
    return tuple(f"a person, number {place}" for place in range(n))


def _mini() -> tuple[DiffusionPipeline, Architecture]:
    pair = compose_config(["pair=mini"]).pair
    pipeline = load_pipeline(pair.cloud, dtype=pair.dtype, device=default_device())
    return pipeline, Architecture.of(pipeline)


def _sd14() -> tuple[DiffusionPipeline, Architecture]:
    model, side, place = load_architecture("sd14"), 32, default_device()
    pipeline = random_pipeline(model, scheduler="dpm_solver", dtype="float32", device=place, sample_size=side)
    return pipeline, replace(model, unet=model.unet | {"sample_size": side})


BENCHES = {
    "mini": Bench("mini", _mini, whole_phases, repeats=5),
    "sd14": Bench("SD-v1.4, 32x32", _sd14, sums_of_kinds, repeats=2),
}
