"""`obclip candidates`: what would be sent for a prompt, and what that gives away. Loads no model."""

import json
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
    if new_secret:
        _replace_secret(config)
    facts = look_at(prompt, config)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    show(facts)


def _replace_secret(config: Config) -> None:
    from obclip_cli.device.secret import replace_secret, secret_path

    path = secret_path(config.privacy)
    replace_secret(path)
    typer.echo(f"made a new client secret in {path}", err=True)


def look_at(prompt: str, config: Config) -> dict[str, Any]:
    """The facts that are printed, under stable names.

    Raises:
        UserError: the prompt or λ is refused, or the client's secret cannot be read.
    """
    import random

    from obclip_cli.device.choice import Chooser
    from obclip_cli.device.secret import client_key
    from obclip_cli.prompts.candidates import check_prompt
    from obclip_cli.prompts.decoys import fewest
    from obclip_cli.prompts.detect import records
    from obclip_cli.prompts.detect_transformer import load_detector
    from obclip_cli.prompts.reading import read_for
    from obclip_cli.prompts.taxonomy import load_taxonomy

    privacy, taxonomy = config.privacy, load_taxonomy(taxonomy_path(config.pair.taxonomy))
    find = load_detector(privacy.detector)
    plain = check_prompt(prompt)
    reading = read_for(prompt, config)
    found = reading.candidates
    fewest(len(found.prompts), privacy.lambda_)  # before a secret is made for a request that cannot be
    o.ensure_secret(privacy)
    choice = Chooser(taxonomy, privacy, client_key(privacy), random.SystemRandom()).choose(found)
    return {
        "prompt": plain,
        "strategy": privacy.strategy,
        "spans": records(find(plain, taxonomy), taxonomy),
        "slots": [{"person": p, "attribute": a, "value": v} for (p, a), v in found.slots.items()],
        "left_out": list(found.left_out),
        "may_reveal": [{"word": e.text, "attribute": e.attribute, "kind": e.kind} for e in reading.exposures],
        "language": reading.language or "en",
        "candidates": list(found.prompts),
        "sent": list(choice.sent.prompts),
        "n": choice.n,
        "m": choice.m,
        "lambda": round(choice.lambda_, 9),
        "lambda_worst": round(choice.lambda_worst, 9),
        "keeps_own": choice.keeps_own,
        "cost_factor": choice.m,
    }


def show(facts: dict[str, Any]) -> None:
    """Print the facts for a person."""
    n, m = facts["n"], facts["m"]
    found = ", ".join(f"{slot['attribute']}: {slot['value']}" for slot in facts["slots"])
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("hidden", found or "nothing: the prompt states no sensitive attribute, and goes up as it is")
    if facts["left_out"]:
        table.add_row("left out", f"{', '.join(facts['left_out'])}: no candidate says it")
    for hint in facts["may_reveal"]:
        reveals = f", may reveal {hint['attribute']}" if hint["attribute"] else ""
        table.add_row("stays in sight", Text(f"{hint['word']} ({hint['kind']}{reveals})"))
    if facts["language"] != "en":
        table.add_row("not English", f"({facts['language']}) only English prompts are read; translate it")
    table.add_row("N", f"{n} candidates")
    table.add_row("M", f"{m} of them sent (strategy {facts['strategy']})")
    table.add_row("lambda", _lambda(facts) if n > 1 else "nothing is hidden")
    table.add_row("cloud cost", f"{m} times one prompt's; with all candidates {n} times")
    if not facts["keeps_own"]:
        table.add_row("note", "the prompt's own candidate is not among them: the device goes on with the nearest")
    table.add_row("the cloud sees", Text("\n".join(facts["sent"])))
    console = Console()
    console.print(Text(facts["prompt"], style="bold"), soft_wrap=True)
    console.print(table)


def _lambda(facts: dict[str, Any]) -> str:
    reached, worst = facts["lambda"], facts["lambda_worst"]
    blind = 1 / facts["n"]
    text = f"{reached:.4g}: a guess is right with at most {blind + reached:.1%}, against {blind:.1%} blind"
    return text if worst == reached else f"{text} (at worst {worst:.4g}, in a smaller block)"
