"""`obclip profile`: what the cloud and the device compute and send, without weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import Config
from obclip_cli.errors import UserError, require

EPILOG = """
Examples:

obclip profile

obclip profile --pair sd14-bksdm-small -N 6 cache=paper_k10

obclip profile --pair sdxl-koala -N 30 hybrid.handover=history --json

obclip profile --pair sd14-bksdm-small -N 2 -k 1 pair.dtype=float32 --latency --random-weights

obclip profile --wire -o results/wire

obclip profile --paper -o results/costs

obclip profile --mpc
"""
HEADS = {
    "convolution_gmacs": "conv",
    "linear_gmacs": "linear",
    "query_key_gmacs": "QK^T",
    "attention_value_gmacs": "AV",
    "full_gmacs": "full",
    "paper_gmacs": "paper",
    "parameters_m": "params",
    "median_seconds": "median",
    "lower_quartile_seconds": "lower quartile",
    "upper_quartile_seconds": "upper quartile",
}
MOST_CANDIDATES = 10_000


def profile(
    overrides: o.Overrides = None,
    pair: o.Pair = None,
    switch_point: o.SwitchPoint = None,
    candidates: Annotated[int, typer.Option("-N", "--candidates", help="Candidates that the cloud sees.")] = 10,
    paper: Annotated[bool, typer.Option("--paper", help="Every FLOPs cell of the paper beside our count.")] = False,
    latency: Annotated[bool, typer.Option("--latency", help="Also measure time and memory on this machine.")] = False,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="With --latency: measure without the pair's weights.")
    ] = False,
    repeats: Annotated[int, typer.Option("--repeats", help="Timed runs after the warm-up, for --latency.")] = 5,
    wire: Annotated[
        bool, typer.Option("--wire", help="Measure bytes and seconds over HTTP, load, and attacks on the traffic.")
    ] = False,
    mpc: Annotated[
        bool, typer.Option("--mpc", help="Make the image under secure computation (SPU) and encryption; half an hour.")
    ] = False,
    block: Annotated[
        bool, typer.Option("--ckks-block", help="Run one residual block encrypted (orion-fhe); 16 GB of memory.")
    ] = False,
    pir: Annotated[bool, typer.Option("--pir", help="Fetch one of N latents without saying which, encrypted.")] = False,
    environment: Annotated[
        Path | None,
        typer.Option(
            "--environment", metavar="DIR", help="With --mpc, --pir, --ckks-block: a virtual environment; else made."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="With --mpc: the first of the servers' ports.")
    ] = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Count multiply-accumulates, parameters and bytes of both sides."""
    _check(candidates, latency, random_weights, repeats)
    hides = [mpc, block, pir]
    require(any(hides) or environment is None, "--environment is that of --mpc, --ckks-block and --pir; add one")
    require(not block or sum(hides) == 1, "--ckks-block has an environment of its own; type it alone")
    require(mpc or port is None, "--port is the first of the servers' ports; add --mpc")
    if any(hides):
        from obclip_cli.commands import profile_mpc

        if pir:
            profile_mpc.profile_pir(environment, output, as_json=as_json)
        chosen = o.said(pair=pair, switch_point=switch_point) + (overrides or [])
        if block:
            profile_mpc.profile_block(chosen, environment, output)
        if mpc:
            profile_mpc.profile_mpc(chosen, environment, port, output)
        return
    if paper:
        _paper(output, as_json)
        return
    from obclip_cli.cost.profile import profile_pair
    from obclip_cli.runs import check_writable

    config = o.compose_from(overrides, pair=pair, switch_point=switch_point)
    if show_config:
        o.print_config(config)
        return
    if wire:
        from obclip_cli.commands.profile_wire import profile_wire

        profile_wire(config, output or Path("results/wire"))
        return
    if output is not None and (latency or not output.exists()):
        check_writable(output)
    facts = profile_pair(config, candidates)
    if latency:
        from obclip_cli.cost import latency as measured

        weights = measured.random_weights if random_weights else measured.real_weights
        facts["latency"] = measured.measure_pair(config, candidates, weights=weights, repeats=repeats)
    if output is not None:
        _write(config, facts, candidates, output)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    _show(facts)
    if latency:
        _show_latency(facts["latency"])
    _say_where(output)


def _check(candidates: int, latency: bool, random_weights: bool, repeats: int) -> None:
    require(1 <= candidates <= MOST_CANDIDATES, f"-N {candidates} must lie in 1..{MOST_CANDIDATES}")
    if random_weights and not latency:
        raise UserError("--random-weights says what --latency measures; add --latency")
    if repeats < 1:
        raise UserError(f"--repeats {repeats} must be at least 1")


def _write(config: Config, facts: dict[str, Any], candidates: int, folder: Path) -> None:
    """The table, the facts, and what each part saves in each step."""
    import pandas as pd

    from obclip_cli import runs
    from obclip_cli.cost.profile import savings_of
    from obclip_cli.report.plots import plot_savings
    from obclip_cli.report.tables import write_table

    content = json.dumps(facts, indent=1) + "\n"
    if (folder / "profile.json").exists() and (folder / "profile.json").read_text(encoding="utf-8") == content:
        return
    runs.start(folder, config)
    title = _title(facts)
    write_table(pd.DataFrame(facts["rows"]), folder / "costs", caption=title)
    steps = savings_of(config, candidates)
    write_table(steps, folder / "per_step", caption=f"{title}; G multiply-accumulates a step, and what each part saves")
    plot_savings({title: steps}, folder / "per_step.png")
    runs.write_text(folder / "profile.json", content)  # last: where it is there, all is


def _paper(output: Path | None, as_json: bool) -> None:
    from obclip_cli.reproduction.paper_costs import compare, summary, write_figure12, write_paper_cells
    from obclip_cli.runs import check_writable, write_environment

    if output is not None:
        check_writable(output)
    cells = compare()
    if output is not None:
        write_environment(output)
        write_paper_cells(cells, output)
        write_figure12(output)
    if as_json:
        rows = [asdict(cell) | {"difference": cell.difference} for cell in cells]
        typer.echo(json.dumps(rows, indent=1))
        return
    rows = [
        {"table": str(cell.table), "row": cell.row, "column": cell.column, "paper": cell.paper, "ours": cell.ours}
        | {"difference": f"{cell.difference:+.2%}", "note": cell.note}
        for cell in cells
    ]
    _print_table("T multiply-accumulates: the paper's FLOPs columns and our count", rows, places=2)
    typer.echo(summary(cells))
    _say_where(output)


def _say_where(output: Path | None) -> None:
    if output is not None:
        typer.echo(f"written to {output}")


def _show(facts: dict[str, Any]) -> None:
    rows = [{HEADS.get(key, key): value for key, value in row.items()} for row in facts["rows"]]
    _print_table(f"{_title(facts)}: GMAC, parameters in M", rows, places=2)
    typer.echo(
        f"sent: {facts['bytes_up']:,} bytes up, {facts['bytes_down']:,} bytes down "
        f"({facts['dtype']}, prompts of 80 bytes, without message headers)"
    )


def _title(facts: dict[str, Any]) -> str:
    return f"{facts['pair']}, N = {facts['candidates']}, cache {facts['cache']}"


def _show_latency(facts: dict[str, Any]) -> None:
    where = facts["environment"]
    place = where["accelerator"] or f"{where['processor']}, {where['threads']} threads"
    rows = [{HEADS.get(key, key): value for key, value in row.items()} for row in facts["rows"]]
    _print_table(f"seconds on {place}, {facts['weights']} weights", rows, places=3)
    peak = facts["peak_memory_bytes"] / 2**30
    typer.echo(f"peak memory of the {facts['peak_memory_of']}: {peak:.2f} GiB, weights included")


def _print_table(title: str, rows: list[dict[str, Any]], *, places: int) -> None:
    """Rows with the same keys, the first two of which name them; numbers have a given number of decimal places."""
    import pandas as pd

    from obclip_cli.report.tables import print_table

    cells = pd.DataFrame(rows).map(lambda value: f"{value:,.{places}f}" if isinstance(value, float) else str(value))
    words = [column for column, value in rows[-1].items() if isinstance(value, str) and column != "difference"]
    print_table(cells, title=title, keys=list(rows[-1])[:2], left=words)
