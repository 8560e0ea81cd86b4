"""`make bench`: measured speed-ups of the cloud phase beside the multiply-accumulates saved, as a table and a plot.

On a machine with a CUDA device it measures there, SD and SDXL at full size; elsewhere what a processor can.
"""

import gc
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from obclip_cli.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from obclip_cli.cost.bench import Bench

PARTIAL = "speed.partial.csv"
# The goal: measured speed-up against that of the multiply-accumulates, in every row.
WANTED_SHARE = 0.9


def bench(
    models: Annotated[
        list[str] | None, typer.Argument(help="mini, sd14; on a GPU sd14-float16, sdxl-bfloat16 ...; none: all.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder; results/bench, or results/bench/gpu.")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Nowhere but on a CUDA device.")] = False,
    compiles: Annotated[
        bool, typer.Option("--compile", help="With --gpu: models compiled for each kind of step.")
    ] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin nothing more after so long; the same command goes on.")
    ] = None,
) -> None:
    """Measure, and write `speed.csv`, `.md`, `.tex`, `.png` and `environment.json`; a stopped run resumes."""
    import torch

    from obclip_cli.cost.bench import BENCHES
    from obclip_cli.cost.gpu_bench import card, gpu_benches
    from obclip_cli.runs import check_writable, write_environment

    on_cuda = torch.cuda.is_available()
    if (gpu or compiles) and not on_cuda:
        raise UserError("this machine has no CUDA device to measure on; on one that has, type: obclip bench --gpu")
    benches = gpu_benches(compiles=compiles) if on_cuda else BENCHES
    wanted = models or list(benches)
    if unknown := [name for name in wanted if name not in benches]:
        raise UserError(f"there is no model {unknown[0]} to measure; {nearest(unknown[0], list(benches))}")
    output = output or Path("results/bench") / (("gpu-compiled" if compiles else "gpu") if on_cuda else "")
    check_writable(output)
    cells = _in_order([benches[name] for name in wanted])
    table, left = _measured(cells, output / PARTIAL, minutes)
    write_environment(output, **(card() if on_cuda else {}))
    _write(table, output, left)
    if not left:
        (output / PARTIAL).unlink()


def _in_order(wanted: "list[Bench]") -> "list[tuple[Bench, int]]":
    """Models and numbers of candidates, the ones that tell most first: every model of one number format at its first
    number, then at the others.
    """
    found = []
    for _, group in groupby(wanted, key=lambda model: model.name.partition(", ")[2]):
        models = list(group)
        found += [(model, model.candidates[0]) for model in models]
        found += [(model, n) for model in models for n in model.candidates[1:]]
    return found


def _measured(
    cells: "list[tuple[Bench, int]]", partial: Path, minutes: float | None
) -> "tuple[pd.DataFrame, list[str]]":
    """All rows, and what there was no time for; what a stopped run has measured is taken from its file, and what does
    not fit the card is left out.
    """
    import pandas as pd
    import torch

    from obclip_cli.cost.bench import measure
    from obclip_cli.report.progress import progress_bars
    from obclip_cli.runs import write_text

    done = [pd.read_csv(partial)] if partial.exists() else []
    left: list[str] = []
    ends = time.monotonic() + (float("inf") if minutes is None else 60 * minutes)
    loaded: dict[str, tuple[Any, Any]] = {}  # one model: two are not held at once
    with progress_bars() as bar:
        advance = bar("phases", len(cells))
        for model, n in cells:
            if not any(((table["model"] == model.name) & (table["n"] == n)).any() for table in done):
                if time.monotonic() > ends:
                    left.append(f"{model.name} at N = {n}")
                    continue
                if model.name not in loaded:
                    loaded.clear()
                    gc.collect()
                    loaded[model.name] = model.load()
                try:
                    done.append(measure(model, *loaded[model.name], n))
                except torch.cuda.OutOfMemoryError:
                    typer.echo(f"warning: {model.name} does not fit this card at N = {n}; left out", err=True)
                    continue
                write_text(partial, pd.concat(done).to_csv(index=False))
            advance(1)
    if not done:
        raise UserError("none of the models fits this card, or the time; name a smaller one, such as sd14-float16")
    return pd.concat(done), left


def _write(table: "pd.DataFrame", folder: Path, left: list[str]) -> None:
    """The table, with the machine it was measured on in its caption, and a plot."""
    import pandas as pd

    from obclip_cli.compose import compose_config
    from obclip_cli.cost.bench import STEPS
    from obclip_cli.report.plots import plot_speed
    from obclip_cli.report.tables import write_table
    from obclip_cli.reproduction.beside_speed import with_fidelity
    from obclip_cli.runs import environment

    pair = compose_config(["pair=mini"]).pair  # the only model here whose images mean something
    table, fidelity = with_fidelity(table, folder.parent, pair, table["model"] == pair.name)
    where = environment()
    dtype = "" if where["accelerator"] else ", float32"  # on a GPU the name of the model says it
    place = where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
    kept = int((table["measured_over_macs"] >= WANTED_SHARE).sum())
    caption = (
        f"The cloud phase, T = {STEPS}, on {place}, torch {where['torch']}{dtype}. Speed-ups are against vanilla "
        f"OG of the same N; multiply-accumulates count both attention products. In {kept} of {len(table)} rows the "
        f"measured speed-up is at least {WANTED_SHARE} of that by multiply-accumulates."
    )
    if (table["model"] == pair.name).any():
        caption += f" {fidelity}"
    if left:
        caption += f" Not measured, for want of time: {'; '.join(left)}."
    write_table(table, folder / "speed", caption=caption)
    plot_speed(pd.read_csv(folder / "speed.csv"), folder / "speed.png", share=WANTED_SHARE)
    typer.echo(f"{caption}\nwritten to {folder}")
