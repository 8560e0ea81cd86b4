"""`obclip generate`: a prompt in, an image out, and what the cloud saw."""

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from obclip_cli.cloud.server import CloudServer
from obclip_cli.commands import options as o
from obclip_cli.commands.first_use import ensure_secret
from obclip_cli.config import Config, plain
from obclip_cli.cost.run import run_macs
from obclip_cli.device.client import Client
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.errors import UserError
from obclip_cli.pipeline import Outcome, cloud_only, oblivious_generation
from obclip_cli.prompts.revealing import revealing_words
from obclip_cli.report.contact_sheet import write_contact_sheet
from obclip_cli.runs import check_writable, environment, models, write_bytes, write_text

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
    from obclip_cli.pipeline import assemble

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
    check_writable(folder)  # last, so that models which cannot be loaded leave no empty folder behind
    jobs = jobs_for(prompts, config.seed, count)
    done = []
    for job in track(jobs, "generating", console=Console(stderr=True), disable=as_json or len(jobs) == 1):
        done.append(make_image(job, client, server, config, folder))
        write_summary(folder, config, done)
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


@dataclass(frozen=True)
class Job:
    """One image to make, and the names of its files."""

    prompt: str
    seed: int
    suffix: str


def jobs_for(prompts: list[str], seed: int, images: int) -> list[Job]:
    """`images` jobs a prompt, with seeds seed, seed+1 ...; files are numbered where there are several."""
    pairs = [(prompt, seed + offset) for prompt in prompts for offset in range(images)]
    single = len(pairs) == 1
    return [Job(p, s, "" if single else f"_{place:03d}") for place, (p, s) in enumerate(pairs)]


def make_image(job: Job, client: Client, server: CloudServer, config: Config, folder: Path) -> dict[str, Any]:
    """Make one image, its contact sheet, and the facts about it."""
    outcome = oblivious_generation(client, server, job.prompt, job.seed)
    image = client.image(outcome.latents)[0]
    save_image(image, folder / f"image{job.suffix}.png")
    cloud = client.split.cloud
    whole = client.image(cloud_only(server, outcome.query, cloud))[0]
    small = client.image(client.alone(outcome.query))[0]
    write_contact_sheet(
        folder / f"contact_sheet{job.suffix}.png",
        title=f"{job.prompt}   (seed {job.seed}; below: what the cloud sent back after step {cloud.stop})",
        compared={"cloud only": whole, f"ObCLIP, k = {config.hybrid.switch_point}": image, "device only": small},
        candidates=dict(zip(outcome.request.candidates, client.image(outcome.candidate_latents), strict=True)),
    )
    return facts(job, outcome, client, server, config)


def save_image(image: torch.Tensor, path: Path) -> None:
    """Write one image (3, H, W) in [0, 1] as PNG, whole or not at all."""
    content = io.BytesIO()
    Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()).save(content, format="png")
    write_bytes(path, content.getvalue())


def facts(job: Job, outcome: Outcome, client: Client, server: CloudServer, config: Config) -> dict[str, Any]:
    """What the cloud saw and what each side did, under stable names."""
    candidates = outcome.request.candidates
    models = Architecture.of(server.pipeline), Architecture.of(client.pipeline)
    on_cloud, on_device = run_macs(
        *models, client.split, cache=config.cache, candidates=len(candidates), batch=config.rows_at_once
    )
    return {
        "prompt": job.prompt,
        "seed": job.seed,
        "image": f"image{job.suffix}.png",
        "contact_sheet": f"contact_sheet{job.suffix}.png",
        "attributes": [
            {"person": person, "attribute": attribute, "value": value}
            for (person, attribute), value in outcome.query.candidates.slots.items()
        ],
        "left_out": list(outcome.query.candidates.left_out),
        "may_reveal": [
            {"word": revealing.word, "attribute": revealing.attribute}
            for revealing in revealing_words(outcome.query.prompt, client.taxonomy)
        ],
        "n": outcome.query.n,
        "m": len(candidates),
        "lambda": round(outcome.query.lambda_, 9),
        "cloud_saw": list(candidates),
        "bytes_up": outcome.bytes_up,
        "bytes_down": outcome.bytes_down,
        "cloud_steps": client.split.cloud_steps,
        "device_steps": client.split.device_steps,
        "cloud_macs": sum(step.total for step in on_cloud),
        "device_macs": sum(step.total for step in on_device),
        "cloud_seconds": round(outcome.cloud_seconds, 3),
        "device_seconds": round(outcome.device_seconds, 3),
    }


def write_summary(folder: Path, config: Config, images: list[dict[str, Any]]) -> None:
    """Write `summary.json`: the composed configuration, versions and hardware, and the facts of every image."""
    facts = {"config": plain(config), "environment": environment(), "models": models(config), "images": images}
    write_text(folder / "summary.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
