"""`obclip profile`: what the cloud and the device compute and send, without weights."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from obclip_cli.commands import options as o
from obclip_cli.errors import UserError

if TYPE_CHECKING:
    from obclip_cli.cost.paper import Cell

EPILOG = """
Examples:

obclip profile

obclip profile --pair sd14-bksdm-small -N 6 cache=paper_k10

obclip profile --pair sdxl-koala -N 30 hybrid.handover=history --json

obclip profile --paper
"""
HEADS = {
    "convolution_gmacs": "conv",
    "linear_gmacs": "linear",
    "query_key_gmacs": "QK^T",
    "attention_value_gmacs": "AV",
    "full_gmacs": "full",
    "paper_gmacs": "paper",
    "parameters_m": "params",
}


def profile(
    overrides: o.Overrides = None,
    pair: o.Pair = None,
    switch_point: o.SwitchPoint = None,
    candidates: Annotated[int, typer.Option("-N", "--candidates", help="Candidates that the cloud sees.")] = 10,
    paper: Annotated[bool, typer.Option("--paper", help="Every FLOPs cell of the paper beside our count.")] = False,
    as_json: o.AsJson = False,
) -> None:
    """Count multiply-accumulates, parameters and bytes of both sides."""
    if paper:
        _paper(as_json)
        return
    if candidates < 1:
        raise UserError(f"-N {candidates} must be at least 1")
    from obclip_cli.cost.profile import profile_pair

    config = o.compose_from(overrides, pair=pair, switch_point=switch_point)
    facts = profile_pair(config, candidates)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    _show(facts)


def _paper(as_json: bool) -> None:
    from obclip_cli.cost.paper import compare, summary

    cells = compare()
    if as_json:
        rows = [asdict(cell) | {"difference": cell.difference} for cell in cells]
        typer.echo(json.dumps(rows, indent=1))
        return
    Console().print(_paper_table(cells))
    typer.echo(summary(cells))


def _paper_table(cells: "list[Cell]") -> Table:
    shown = Table(title="T multiply-accumulates: the paper's FLOPs columns and our count", title_justify="left")
    for column in ("table", "row", "column", "paper", "ours", "difference", "note"):
        shown.add_column(column, justify="right" if column in ("paper", "ours", "difference") else "left")
    for cell in cells:
        numbers = (f"{cell.paper:.2f}", f"{cell.ours:.2f}", f"{cell.difference:+.2%}")
        shown.add_row(str(cell.table), cell.row, cell.column, *numbers, cell.note)
    return shown


def _show(facts: dict[str, Any]) -> None:
    title = f"{facts['pair']}, N = {facts['candidates']}, cache {facts['cache']}: GMAC, parameters in M"
    table = Table(title=title, title_justify="left")
    for column in facts["rows"][0]:
        table.add_column(HEADS.get(column, column), justify="left" if column in ("side", "steps") else "right")
    for row in facts["rows"]:
        table.add_row(*(f"{value:,.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    console.print(table)
    console.print(
        f"sent: {facts['bytes_up']:,} bytes up, {facts['bytes_down']:,} bytes down "
        f"({facts['dtype']}, prompts of 80 bytes, without message headers)",
        highlight=False,
    )
