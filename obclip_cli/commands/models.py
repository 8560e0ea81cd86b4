"""`obclip models`: list pairs, download their models, and check that they share a latent space."""

import json
import textwrap
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from obclip_cli.commands import options as o
from obclip_cli.diffusion import pairs
from obclip_cli.prompts.learnt import roles_of

app = typer.Typer(no_args_is_help=True, help="List, download and check the pairs of models.")

PairName = Annotated[str, typer.Argument(metavar="PAIR", help="A name in configs/pair.")]
LIST_EPILOG = """
Examples:

obclip models list

obclip models list --json
"""
PULL_EPILOG = """
Examples:

obclip models pull sd14-bksdm-small

obclip models pull sdxl-koala pair.cloud.revision=COMMIT

An interrupted download goes on where it stopped when the same command is typed again.
"""
CHECK_EPILOG = """
Examples:

obclip models check mini

obclip models check sd14-bksdm-tiny pair.cloud.path=DIR1 pair.device.path=DIR2
"""


@app.command("list", epilog=LIST_EPILOG)
def list_pairs(as_json: o.AsJson = False) -> None:
    """Every pair: its models, licences, sizes, and whether they are on this machine."""
    rows = [pair_facts(name) for name in pairs.pair_names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo("\n\n".join(in_words(row) for row in rows))


@app.command("pull", epilog=PULL_EPILOG)
def pull(pair: PairName, overrides: o.Overrides = None, as_json: o.AsJson = False) -> None:
    """Download both models of a pair from the Hugging Face hub, and say where they are."""
    config = pairs.compose_pair(pair, overrides or [])
    found, out_of_reach = pairs.pull(config)
    if out_of_reach:
        Console(stderr=True).print(
            f"[yellow]warning:[/] the hub is out of reach ({out_of_reach}); these copies were here already",
            highlight=False,
            soft_wrap=True,
        )
    rows = [side_facts(side) for side in found]
    if as_json:
        typer.echo(json.dumps({"pair": config.name, "cloud": rows[0], "device": rows[1]}, indent=1))
        return
    for name, row in zip(("cloud", "device"), rows, strict=True):
        for copy in row["copies"]:
            revision = f", revision {copy['revision']}" if copy["revision"] else ""
            typer.echo(f"{name:<7}{copy['source']}{revision}\n       {copy['folder']}")


@app.command("check", epilog=CHECK_EPILOG)
def check(pair: PairName, overrides: o.Overrides = None, as_json: o.AsJson = False) -> None:
    """Load both models of a pair and check that the device can go on from the cloud's latents."""
    facts = pairs.inspect_pair(pairs.compose_pair(pair, overrides or []))
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    table = Table(title=f"{facts['pair']}: one latent space; {facts['schedule']}", title_justify="left")
    for column in ("", "cloud", "device"):
        table.add_column(column, overflow="fold")
    for key in facts["cloud"]:
        values = facts["cloud"][key], facts["device"][key]
        if values != (None, None):
            table.add_row(key.replace("_", " "), *(_shown(value) for value in values))
    Console().print(table)


def pair_facts(name: str) -> dict[str, Any]:
    """What `list` says of one pair."""
    config = pairs.compose_pair(name)
    cloud, device = pairs.sides(config)
    geometry = pairs.latent_geometry(cloud)
    sizes = [pairs.disk_gb(side) for side in (cloud, device)]
    return {
        "pair": name,
        "resolution": geometry[2] if geometry else None,
        "latents": [geometry[0], geometry[1], geometry[1]] if geometry else None,
        "taxonomy": config.taxonomy,
        "roles": roles_of(config),
        "disk_gb": None if None in sizes else round(sum(size or 0 for size in sizes), 2),
        "here": cloud.is_here and device.is_here,
        "cloud": side_facts(cloud),
        "device": side_facts(device),
    }


def side_facts(side: pairs.Side) -> dict[str, Any]:
    """One model, and where its files are."""
    return {
        "model": side.model.path,
        "unet": side.model.unet,
        "licence": side.model.licence,
        "disk_gb": pairs.disk_gb(side),
        "here": side.is_here,
        "copies": [
            {
                "source": copy.source,
                "kind": copy.kind,
                "folder": str(copy.folder) if copy.folder else None,
                "revision": copy.revision,
                "missing": list(copy.missing),
            }
            for copy in side.copies
        ],
    }


def in_words(row: dict[str, Any]) -> str:
    """One pair for a person."""
    latents = "x".join(map(str, row["latents"])) if row["latents"] else "of unknown size"
    image = f"{row['resolution']}x{row['resolution']} images, " if row["resolution"] else ""
    lines = [f"{row['pair']}: {image}latents {latents}, taxonomy {row['taxonomy']}"]
    for name in ("cloud", "device"):
        side = row[name]
        size = "size unknown" if side["disk_gb"] is None else f"{side['disk_gb']} GB"
        facts = ", ".join(fact for fact in (size, _where(side), side["licence"]) if fact)
        lines.append(f"  {name:<7}{' + '.join(copy['source'] for copy in side['copies'])}")
        lines.append(f"         {facts}")
    if row["roles"]:
        known = f"draws emoji people in {len(row['roles'])} roles and little else: {', '.join(row['roles'])}"
        lines += textwrap.wrap(known, 100, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)


def _where(side: dict[str, Any]) -> str:
    if side["here"]:
        return f"here ({side['copies'][0]['kind']})"
    return "here in part" if any(copy["folder"] for copy in side["copies"]) else "not here"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value if value is not None else "-")
