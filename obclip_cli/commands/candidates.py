"""`obclip candidates`: what would be sent for a prompt, and what that gives away. Loads no model."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from obclip_cli.commands import options as o
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.errors import UserError

EPILOG = """
Examples:

obclip candidates "a woman firefighter with dark skin"

obclip candidates "a woman firefighter with dark skin" privacy.lambda=0.1

obclip candidates "a woman firefighter with dark skin" privacy=dp --lambda 0.2 --json
"""


# Requests that are split or drawn in two ways can be held against each other: no λ is promised for them together.
HOLDS_FOR = {
    "bucket": "all prompts that state these attributes, at this lambda; others add up",
    "dp": "this prompt, however often it is sent; other prompts about the same person add up",
    "fresh": "one request; all others add up",
}


def candidates(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT [KEY=VALUE]...", help="The prompt, then Hydra overrides.", show_default=False),
    ] = None,
    pair: o.Pair = None,
    lambda_: o.Lambda = None,
    new_secret: Annotated[
        bool, typer.Option("--new-secret", help="Forget the client's secret and make another.")
    ] = False,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Show the attributes found in a prompt, and the candidates that the cloud would see."""
    prompt, overrides = o.split_prompt(arguments or [])
    config = o.compose_from(overrides, pair=pair, lambda_=lambda_)
    if show_config:
        o.print_config(config)
        return
    if prompt is None:
        raise UserError('there is no prompt; type one, as in: obclip candidates "a woman firefighter with dark skin"')
    facts = look_at(prompt, config, new_secret=new_secret)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    show(facts)


def look_at(prompt: str, config: Config, *, new_secret: bool = False) -> dict[str, Any]:
    """The facts that are printed, under stable names.

    Args:
        new_secret: replace the client's secret that the configuration names, once the prompt has been read.

    Raises:
        UserError: the prompt or λ is refused, or the client's secret cannot be read or would be lost.
    """
    from obclip_cli.prompts.decoys import rounded
    from obclip_cli.prompts.detect import records
    from obclip_cli.prompts.detect_transformer import load_detector
    from obclip_cli.prompts.reading import read_for
    from obclip_cli.prompts.taxonomy import load_taxonomy

    privacy = config.privacy
    reading = read_for(prompt, config)
    if new_secret:
        _replace_secret(config)
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    spans = load_detector(privacy.detector)(reading.prompt, taxonomy)
    choice, found = o.would_send(reading, config), reading.candidates
    hidden = reading.n > 1
    return {
        "prompt": reading.prompt,
        "strategy": privacy.strategy,
        "spans": records(spans, taxonomy),
        "slots": [{"person": p, "attribute": a, "value": v} for (p, a), v in found.slots.items()],
        "reading": reading.record(choice.lambda_),
        "candidates": list(found.prompts),
        "sent": list(choice.sent.prompts),
        "n": choice.n,
        "m": choice.m,
        "lambda": round(choice.lambda_, 9) if hidden else None,
        "lambda_worst": round(choice.lambda_worst, 9) if hidden else None,
        "lambda_by_attribute": rounded(choice.by_attribute),
        "keeps_own": choice.keeps_own,
        "cost_factor": choice.m,
    }


def _replace_secret(config: Config) -> None:
    from obclip_cli.device.secret import replace_secret, secret_path

    path = secret_path(config.privacy)
    agreed = path.exists() and sys.stdin.isatty()
    if agreed:
        typer.confirm(f"Forget the client's secret in {path}? It cannot be made again.", abort=True, err=True)
    replace_secret(path, agreed=agreed)
    typer.echo(f"made a new client secret in {path}", err=True)


def show(facts: dict[str, Any]) -> None:
    """Print the facts for a person; the prompt and its candidates to the letter."""
    from obclip_cli.prompts.reading import findings

    n, m = facts["n"], facts["m"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for heading, said in findings(facts["reading"]):
        table.add_row(heading, Text(said))
    table.add_row("N", f"{n} candidates" if n > 1 else "1: the cloud sees what is below")
    table.add_row("M", f"{m} of them sent (strategy {facts['strategy']})")
    table.add_row("lambda", _lambda(facts) if n > 1 else "none: there is nothing to guess")
    single = {attribute: value for attribute, value in facts["lambda_by_attribute"].items() if value > 0}
    if single:
        table.add_row("of each alone", ", ".join(f"{attribute} {value:.4g}" for attribute, value in single.items()))
    if n > 1 and facts["strategy"] in HOLDS_FOR:
        table.add_row("holds for", HOLDS_FOR[facts["strategy"]])
    table.add_row("cloud cost", f"{m} times one prompt's; with all candidates {n} times")
    if not facts["keeps_own"]:
        table.add_row("note", "the prompt's own candidate is not among them: the device goes on with the nearest")
    console = Console()
    console.print(Text(facts["prompt"], style="bold"), soft_wrap=True)
    console.print(table)
    typer.echo("the cloud sees, one prompt a line:")
    o.print_exactly(facts["sent"])


def _lambda(facts: dict[str, Any]) -> str:
    reached, worst = facts["lambda"], facts["lambda_worst"]
    blind = 1 / facts["n"]
    text = f"{reached:.4g}: a guess is right with at most {blind + reached:.1%}, against {blind:.1%} blind"
    return text if worst == reached else f"{text} (at worst {worst:.4g}, in a smaller block)"
