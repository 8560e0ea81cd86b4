"""`obclip generate`: a prompt in, an image out, and what the cloud saw."""

import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table
from rich.text import Text

from obclip_cli.commands import options as o
from obclip_cli.config import Config, plain
from obclip_cli.errors import UserError
from obclip_cli.runs import check_writable, environment, models, write_bytes, write_text

if TYPE_CHECKING:
    from PIL.Image import Image

    from obclip_cli.pipeline import ObCLIPOutput, ObCLIPPipeline
    from obclip_cli.prompts.reading import Reading

EPILOG = """
Examples:

obclip generate "a woman firefighter with dark skin"

obclip generate "an old man with light skin" -k 5 --seed 3 -n 4 -o results/old-man

obclip generate "a woman firefighter" --no-compare --pair sdxl-koala

obclip generate "a woman firefighter with dark skin" --server http://127.0.0.1:8000

obclip generate --prompt-file prompts.txt hybrid.steps=20
"""


def generate(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROMPT [KEY=VALUE]...", help="The prompt, then Hydra overrides.", show_default=False),
    ] = None,
    prompt_file: Annotated[Path | None, typer.Option("--prompt-file", help="One prompt a line.")] = None,
    count: Annotated[int, typer.Option("-n", "--images", min=1, help="Images a prompt, seeds counting up.")] = 1,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="A contact sheet, at the cost of each model's image alone.")
    ] = True,
    pair: o.Pair = None,
    switch_point: o.SwitchPoint = None,
    lambda_: o.Lambda = None,
    seed: o.Seed = None,
    server: o.Server = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Generate images without telling the cloud who is in them."""
    prompt, overrides = o.split_prompt(arguments or [])
    config = o.compose_from(overrides, pair=pair, switch_point=switch_point, lambda_=lambda_, seed=seed, server=server)
    if show_config:
        o.print_config(config)
        return
    from obclip_cli.pipeline import ObCLIPPipeline

    prompts = read_prompts(prompt, prompt_file)
    folder = output or default_folder([prompt for prompt, _ in prompts], config, count)
    readings = read_all(prompts, config)
    started = time.perf_counter()
    with cloud_steps(shown=not as_json and config.cloud.server is not None) as watch:
        pipe = ObCLIPPipeline.from_config(config, watch)
        loaded = time.perf_counter() - started
        if pipe.server_logs_prompts:
            _warn("the server writes every prompt that it sees to its log")
        check_writable(folder)  # last, so that models which cannot be loaded leave no empty folder behind
        jobs = jobs_for(readings, config.seed, count)
        done = []
        silent = as_json or len(jobs) == 1 or watch is not None
        for job in track(jobs, "generating", console=Console(stderr=True), disable=silent):
            done.append(make_image(job, pipe, folder, compare=compare))
            write_summary(folder, config, done)
    if as_json:
        typer.echo((folder / "summary.json").read_text(), nl=False)
        return
    typer.echo(f"models loaded in {loaded:.1f} s")
    for facts in done:
        show(facts, folder)


@contextmanager
def cloud_steps(*, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of the steps that a remote cloud has begun."""
    if not shown:
        yield None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("the cloud's steps", total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def read_prompts(prompt: str | None, prompt_file: Path | None) -> list[tuple[str, str]]:
    """The prompts to run, from the command line or a file of one a line, each with where it is from.

    Raises:
        UserError: none, both, or an unreadable file.
    """
    if prompt is not None and prompt_file is not None:
        raise UserError("give a prompt or --prompt-file, not both")
    if prompt is not None:
        return [(prompt, "")]
    if prompt_file is None:
        raise UserError('there is no prompt; type one, as in: obclip generate "a woman firefighter with dark skin"')
    try:
        lines = re.split(r"\r\n|\r|\n", prompt_file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {prompt_file} ({error}); give a text file with one prompt a line") from error
    prompts = [(line.strip(), f"{prompt_file}, line {n}: ") for n, line in enumerate(lines, 1) if line.strip()]
    if not prompts:
        raise UserError(f"{prompt_file} holds no prompt; write one a line")
    return prompts


def read_all(prompts: list[tuple[str, str]], config: Config) -> list["Reading"]:
    """Read every prompt before anything is loaded or sent, and tell what stays in sight.

    Raises:
        UserError: a prompt cannot be hidden, or would go up in the clear and nobody is there to ask.
        typer.Abort: the user would not send it.
    """
    from obclip_cli.prompts.decoys import fewest
    from obclip_cli.prompts.reading import read_for

    readings = []
    for prompt, where in prompts:
        try:
            readings.append(read_for(prompt, config))
            fewest(readings[-1].n, config.privacy.lambda_)  # refuses a lambda that this N does not allow
        except UserError as error:
            raise UserError(f"{where}{error}") from error
    if config.privacy.strategy == "none":
        _warn("privacy.strategy=none: the cloud sees the prompt itself")
        return readings
    for reading, (_, where) in zip(readings, prompts, strict=True):
        _agree(reading, where, config)
    o.ensure_secret(config.privacy)
    return readings


def _agree(reading: "Reading", where: str, config: Config) -> None:
    """Tell what stays in sight of a prompt, and ask or refuse where that is wished."""
    from obclip_cli.prompts.reading import decide

    todo = decide(reading, config.privacy.on_exposure, terminal=sys.stdin.isatty())
    if todo == "refuse":
        raise UserError(f"{where}{reading.refusal()}")
    if todo != "send":
        _warn("; ".join([f'{where}"{reading.prompt}"', *reading.lines()]))
    if todo == "ask":
        typer.echo("the cloud would see, one prompt a line:", err=True)
        o.print_exactly(o.would_send(reading, config).sent.prompts, err=True)
        typer.confirm("Send it?", abort=True, err=True)


def _warn(message: str) -> None:
    Console(stderr=True).print(Text("warning: ", style="yellow").append(message, style="default"), soft_wrap=True)


def default_folder(prompts: list[str], config: Config, count: int) -> Path:
    """`results/generate/<prompt>-<hash of what is asked>`."""
    from obclip_cli.runs import fingerprint

    words = re.sub(r"[^a-z0-9]+", "-", prompts[0].lower()).strip("-")[:40] or "prompt"
    return Path("results/generate") / f"{words}-{fingerprint(prompts, plain(config), count)}"


def show(facts: dict[str, Any], folder: Path) -> None:
    """Print one image's facts for a person; what the cloud saw to the letter."""
    from obclip_cli.prompts.reading import findings

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for heading, said in findings(facts["reading"]):
        table.add_row(heading, Text(said))
    table.add_row("sent", f"{facts['bytes_up']:,} bytes up, {facts['bytes_down']:,} bytes down")
    for side in ("cloud", "device"):
        macs = facts[f"{side}_macs"] / 1e9
        table.add_row(side, f"{facts[f'{side}_steps']} steps, {macs:,.2f} GMAC, {facts[f'{side}_seconds']:.2f} s")
    table.add_row("image", f"decoded in {facts['decode_seconds']:.2f} s")
    if "contact_sheet" in facts:
        seconds = f"{facts['comparison_seconds']:.2f} s"
        table.add_row("comparison", f"{seconds} for either model alone; --no-compare leaves it out")
    console = Console()
    console.print(
        Text(facts["prompt"], style="bold").append(f" (seed {facts['seed']})", style="default"), soft_wrap=True
    )
    console.print(table)
    typer.echo(
        f"the cloud saw {facts['m']} candidates, one a line, in an order that tells nothing:"
        if facts["m"] > 1
        else "the cloud saw:"
    )
    o.print_exactly(facts["cloud_saw"])
    for name in ("image", "contact_sheet"):
        if name not in facts:
            continue
        # A path stays on one line, to be copied.
        typer.echo(f"{name.replace('_', ' '):<15}{folder / facts[name]}")


@dataclass(frozen=True)
class Job:
    """One image to make, and what its files are called."""

    reading: "Reading"
    seed: int
    suffix: str


def jobs_for(readings: list["Reading"], seed: int, images: int) -> list[Job]:
    """`images` jobs a prompt, with seeds seed, seed+1 ...; files are numbered where there are several."""
    pairs = [(reading, seed + offset) for reading in readings for offset in range(images)]
    single = len(pairs) == 1
    return [Job(r, s, "" if single else f"_{place:03d}") for place, (r, s) in enumerate(pairs)]


def make_image(job: Job, pipe: "ObCLIPPipeline", folder: Path, *, compare: bool) -> dict[str, Any]:
    """Make one image and, to compare it with its baselines, a contact sheet; the facts about it."""
    output = pipe(job.reading, seed=job.seed)
    save_image(output.images[0], folder / f"image{job.suffix}.png")
    files: dict[str, Any] = {"image": f"image{job.suffix}.png"}
    if compare:
        started = time.perf_counter()
        files["contact_sheet"] = f"contact_sheet{job.suffix}.png"
        write_comparison(job, pipe, output, folder / files["contact_sheet"])
        files["comparison_seconds"] = round(time.perf_counter() - started, 3)
    return pipe.facts(output) | files


def save_image(image: "Image", path: Path) -> None:
    """Write a PNG whole or not at all."""
    content = io.BytesIO()
    image.save(content, format="png")
    write_bytes(path, content.getvalue())


def write_comparison(job: Job, pipe: "ObCLIPPipeline", output: "ObCLIPOutput", path: Path) -> None:
    """The image beside those of either model alone from the same noise, and the candidates that came back."""
    from obclip_cli.cloud.server import CloudServer
    from obclip_cli.pipeline import cloud_only
    from obclip_cli.report.contact_sheet import write_contact_sheet

    outcome, cloud = output.outcome, pipe.client.split.cloud
    compared = {}
    if isinstance(pipe.server, CloudServer):  # another machine would have to be shown the prompt
        (compared["cloud only"],) = pipe.decode(cloud_only(pipe.server, outcome.query, cloud))
    compared[f"ObCLIP, k = {pipe.config.hybrid.switch_point}"] = output.images[0]
    (compared["device only"],) = pipe.decode(pipe.client.alone(outcome.query))
    write_contact_sheet(
        path,
        title=f"{job.reading.prompt}   (seed {job.seed}; below: what the cloud sent back after step {cloud.stop})",
        compared=compared,
        candidates=dict(zip(output.candidates, pipe.decode(outcome.candidate_latents), strict=True)),
    )


def write_summary(folder: Path, config: Config, images: list[dict[str, Any]]) -> None:
    """Write `summary.json`: the composed configuration, versions and hardware, and the facts of every image."""
    facts = {"config": plain(config), "environment": environment(), "models": models(config), "images": images}
    write_text(folder / "summary.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
