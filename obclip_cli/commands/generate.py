"""`obclip generate`: a prompt in, an image out, and what the cloud saw."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from obclip_cli.commands import options as o
from obclip_cli.commands.first_use import ensure_secret
from obclip_cli.config import Config, plain
from obclip_cli.errors import UserError

SHOWN = 12  # candidates that are printed
EPILOG = """
Examples:

obclip generate "a woman firefighter with dark skin"

obclip generate "an old man with light skin" -k 5 --seed 3 -n 4 -o results/old-man

obclip generate --prompt-file prompts.txt hybrid.steps=20
"""


def generate(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT [KEY=VALUE]...", help="The prompt, then Hydra overrides.", show_default=False),
    ] = None,
    prompt_file: Annotated[Path | None, typer.Option("--prompt-file", help="One prompt a line.")] = None,
    count: Annotated[int, typer.Option("-n", "--images", min=1, help="Images a prompt, seeds counting up.")] = 1,
    pair: o.Pair = None,
    switch_point: o.SwitchPoint = None,
    lambda_: o.Lambda = None,
    seed: o.Seed = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Generate images without telling the cloud who is in them."""
    from obclip_cli import generation
    from obclip_cli.scheme import assemble

    prompt, overrides = o.split_prompt(arguments or [])
    config = o.compose_from(overrides, pair=pair, switch_point=switch_point, lambda_=lambda_, seed=seed)
    if show_config:
        from omegaconf import OmegaConf

        typer.echo(OmegaConf.to_yaml(plain(config)), nl=False)
        return
    prompts = read_prompts(prompt, prompt_file)
    folder = output or default_folder(prompts, config, count)
    check_prompts(prompts, config)
    client, server = assemble(config)
    generation.check_writable(folder)  # last, so that models which cannot be loaded leave no empty folder behind
    jobs = generation.jobs_for(prompts, config.seed, count)
    done = []
    for job in track(jobs, "generating", console=Console(stderr=True), disable=as_json or len(jobs) == 1):
        done.append(generation.generate(job, client, server, config, folder))
        generation.write_summary(folder, config, done)
    if as_json:
        typer.echo((folder / "summary.json").read_text(), nl=False)
        return
    for facts in done:
        show(facts, folder)


def read_prompts(prompt: str | None, prompt_file: Path | None) -> list[str]:
    """The prompts to run, from the command line or a file of one a line.

    Raises:
        UserError: none, both, or an unreadable file.
    """
    if prompt is not None and prompt_file is not None:
        raise UserError("give a prompt or --prompt-file, not both")
    if prompt is not None:
        return [prompt]
    if prompt_file is None:
        raise UserError('there is no prompt; type one, as in: obclip generate "a woman firefighter with dark skin"')
    try:
        lines = prompt_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {prompt_file} ({error}); give a text file with one prompt a line") from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise UserError(f"{prompt_file} holds no prompt; write one a line")
    return prompts


def check_prompts(prompts: list[str], config: Config) -> None:
    """Build every candidate set once before anything is loaded, and warn where nothing is hidden."""
    from obclip_cli.config import taxonomy_path
    from obclip_cli.prompts.candidates import build_candidates, check_prompt
    from obclip_cli.prompts.decoys import fewest
    from obclip_cli.prompts.detect_transformer import load_detector
    from obclip_cli.prompts.taxonomy import load_taxonomy

    if config.privacy.strategy == "none":
        for prompt in prompts:
            check_prompt(prompt)
        _warn("privacy.strategy=none: the cloud sees the prompt itself")
        return
    taxonomy, find = load_taxonomy(taxonomy_path(config.pair.taxonomy)), load_detector(config.privacy.detector)
    for prompt in prompts:
        candidates = build_candidates(prompt, taxonomy, max_candidates=config.privacy.max_candidates, find=find)
        fewest(len(candidates.prompts), config.privacy.lambda_)  # refuses a lambda that this N does not allow
        if not candidates.slots:
            names = ", ".join(taxonomy.attributes)
            _warn(f'"{prompt}" has no sensitive attribute ({names}): N = 1, there is nothing to hide behind')
    ensure_secret(config.privacy)


def _warn(message: str) -> None:
    Console(stderr=True).print(f"[yellow]warning:[/] {message}", highlight=False)


def default_folder(prompts: list[str], config: Config, count: int) -> Path:
    """`results/generate/<prompt>-<hash of what is asked>`."""
    from obclip_cli.runs import fingerprint

    words = re.sub(r"[^a-z0-9]+", "-", prompts[0].lower()).strip("-")[:40] or "prompt"
    return Path("results/generate") / f"{words}-{fingerprint(prompts, plain(config), count)}"


def show(facts: dict[str, Any], folder: Path) -> None:
    """Print one image's facts for a person."""
    found = ", ".join(f"{a['attribute']}: {a['value']}" for a in facts["attributes"]) or "none"
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("hidden", found)
    if facts["left_out"]:
        table.add_row("left out", f"{', '.join(facts['left_out'])}: no candidate says it, only the device's steps do")
    for attribute in dict.fromkeys(hint["attribute"] for hint in facts["may_reveal"]):
        words = ", ".join(hint["word"] for hint in facts["may_reveal"] if hint["attribute"] == attribute)
        table.add_row(f"may reveal {attribute}", f"{words} (every candidate says it)")
    seen = [f"{facts['m']} candidates, in an order that tells nothing:", *facts["cloud_saw"][:SHOWN]]
    if facts["m"] > SHOWN:
        seen.append(f"... and {facts['m'] - SHOWN} more")
    table.add_row("the cloud saw", "\n".join(seen))
    table.add_row("sent", f"{facts['bytes_up']:,} bytes up, {facts['bytes_down']:,} bytes down")
    for side in ("cloud", "device"):
        macs = facts[f"{side}_macs"] / 1e9
        table.add_row(side, f"{facts[f'{side}_steps']} steps, {macs:,.2f} GMAC, {facts[f'{side}_seconds']:.2f} s")
    console = Console()
    console.print(f"[bold]{facts['prompt']}[/] (seed {facts['seed']})", highlight=False, soft_wrap=True)
    console.print(table)
    for name in ("image", "contact_sheet"):  # paths stay whole, to be copied
        typer.echo(f"{name.replace('_', ' '):<15}{folder / facts[name]}")
