"""The benchmark: what it times and how it adds up, never how long anything takes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from obclip_cli.cloud.server import CloudServer
from obclip_cli.cost import bench, gpu_bench
from obclip_cli.diffusion.architectures import Architecture
from tests.conftest import Run, assert_one_line_error, tiny_pipeline


@pytest.fixture
def server() -> CloudServer:
    return CloudServer(tiny_pipeline(1, mid_block=True), batch=4)


@pytest.mark.parametrize("k", bench.PRESETS)
def test_a_shortened_phase_still_has_every_kind_of_step(k: int) -> None:
    for phase in bench.phases(k):
        kinds = phase.kinds()
        short = phase.shortened().kinds()
        assert set(short) == set(kinds) and kinds[: len(short)] == short, phase.name


def test_every_step_is_timed_once(server: CloudServer) -> None:
    phase = bench.phases(5)[-1]
    seconds = bench.step_seconds(server, 2, phase)
    assert len(seconds) == phase.steps and min(seconds) > 0
    assert not server.pipeline.unet._forward_pre_hooks


@pytest.fixture
def a_second_a_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bench.Phase]]:
    """Steps that take 1 s where nothing is saved, 0.5 s where something is."""
    run: list[bench.Phase] = []

    def seconds(server: CloudServer, n: int, phase: bench.Phase) -> list[float]:
        run.append(phase)
        plain = bench.phases(phase.k)[0].kinds()[0]
        return [1.0 if kind == plain else 0.5 for kind in phase.kinds()]

    monkeypatch.setattr(bench, "step_seconds", seconds)
    yield run


def test_both_ways_to_measure_agree_where_steps_of_a_kind_take_the_same_time(
    server: CloudServer, a_second_a_step: list[bench.Phase]
) -> None:
    wanted = [phase for k in bench.PRESETS for phase in bench.phases(k)]
    whole = bench.whole_phases(server, 2, wanted, 1)
    steps_run = sum(phase.steps for phase in a_second_a_step)
    a_second_a_step.clear()
    assert bench.sums_of_kinds(server, 2, wanted, 1) == whole
    assert sum(phase.steps for phase in a_second_a_step) < steps_run / 6
    assert whole["vanilla OG, k=5"] == 25.0
    assert whole["ObCLIP, k=5"] == 5.0
    assert whole["+ cache, k=5"] == 3 + 2 * 0.5


def tiny_bench(monkeypatch: pytest.MonkeyPatch, *candidates: int) -> None:
    pipeline = tiny_pipeline(1, mid_block=True)
    tiny = bench.Bench(
        "tiny", lambda: (pipeline, Architecture.of(pipeline)), bench.whole_phases, 1, candidates=candidates
    )
    monkeypatch.setattr(bench, "BENCHES", {"tiny": tiny})


def test_the_table_compares_each_method_with_vanilla_og(
    obclip: Callable[..., Run],
    a_second_a_step: list[bench.Phase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny_bench(monkeypatch, 2)
    run = obclip("bench", "-o", str(tmp_path))
    assert run.code == 0, run.err
    table = pd.read_csv(tmp_path / "speed.csv").set_index(["k", "method"])
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"speed.{kind}" for kind in ("csv", "md", "tex", "png", "svg")),
        "environment.json",
    }
    bare = table.loc[(5, "ObCLIP")]
    assert bare["speedup_measured"] == bare["speedup_by_macs"] == 5.0
    assert bare["measured_over_macs"] == 1.0
    assert table.loc[(5, "+ cache"), "speedup_measured"] == 6.25
    assert (table["speedup_by_macs"] >= 1).all()
    assert_one_line_error(obclip("bench", "tinny", "-o", str(tmp_path)), "did you mean tiny?")


def test_what_there_is_no_time_for_is_named_and_measured_by_the_next_run(
    obclip: Callable[..., Run], a_second_a_step: list[bench.Phase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_bench(monkeypatch, 2, 3)
    clock = iter([0.0, 0.0, 61.0])
    with monkeypatch.context() as patch:
        patch.setattr("obclip_cli.commands.bench.time", SimpleNamespace(monotonic=lambda: next(clock)))
        run = obclip("bench", "-o", str(tmp_path), "--minutes", "1")
    assert run.code == 0 and "Not measured, for want of time: tiny at N = 3." in (tmp_path / "speed.md").read_text()
    assert set(pd.read_csv(tmp_path / "speed.csv")["n"]) == {2}
    assert obclip("bench", "-o", str(tmp_path)).code == 0
    assert set(pd.read_csv(tmp_path / "speed.csv")["n"]) == {2, 3} and "Not" not in (tmp_path / "speed.md").read_text()


def test_a_stopped_run_resumes(
    obclip: Callable[..., Run],
    a_second_a_step: list[bench.Phase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny_bench(monkeypatch, 2, 3)
    measured = bench.measure

    def stopped(model: bench.Bench, *rest: Any) -> pd.DataFrame:
        if rest[-1] == 3:
            raise KeyboardInterrupt
        return measured(model, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(bench, "measure", stopped)
        assert obclip("bench", "-o", str(tmp_path)).code == 130
    a_second_a_step.clear()
    assert obclip("bench", "-o", str(tmp_path)).code == 0
    assert len(a_second_a_step) == 2 * (7 + 6)  # warm-up and one round of both switch points, for N = 3 only
    assert sorted(pd.read_csv(tmp_path / "speed.csv")["n"].unique()) == [2, 3]


def test_the_gpus_benchmark_runs_whole_on_a_cpu() -> None:
    """Every preset, launches, memory and share of the peak, on a model that is small enough."""
    pipeline, n = tiny_pipeline(1, mid_block=True), 2
    tiny = replace(
        gpu_bench.gpu_benches()["sd14-float16"],
        name="tiny",
        load=lambda: (pipeline, Architecture.of(pipeline)),
        repeats=1,
        candidates=(n,),
    )
    table = bench.measure(tiny, *tiny.load(), n).set_index("method")
    presets = [phase.method for k in bench.PRESETS for phase in bench.preset_phases(k)]
    assert {"paper_k5", "paper_k10", "trunk_k5"} <= set(presets) <= set(table.index) and bench.VANILLA in table.index
    assert (table[["seconds", "launches", "peak_memory_gb", "share_of_peak"]] > 0).all(axis=None)
    assert (table.loc[presets, "speedup_by_macs"] > 2).all() and table.loc["paper_k10", "k"] == 10
    per_step = table["launches"] / [phase.steps for phase in tiny.phases()]
    assert per_step["paper_k10"] < 1.5 * per_step[bench.VANILLA]  # skipped steps launch less, pivot steps more


def test_without_a_gpu_one_line_says_what_to_type_where_there_is_one(obclip: Callable[..., Run]) -> None:
    for option in ("--gpu", "--compile"):
        assert_one_line_error(obclip("bench", option), "no CUDA device", "obclip bench --gpu")


def test_calls_that_launch_are_counted_by_name() -> None:
    names = ["aten::mm", "cudaLaunchKernelExC", "cudaMemcpyAsync", "cudaStreamSynchronize", "cudaGraphLaunch"]
    assert gpu_bench.launches_of([SimpleNamespace(name=name, cpu_children=[]) for name in names]) == 3
    assert gpu_bench.launches_of([SimpleNamespace(name=name, cpu_children=[]) for name in names[:1]]) == 1
