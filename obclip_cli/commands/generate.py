"""`obclip generate`: a prompt in, an image out, and what the cloud saw."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from obclip_cli.commands import options as o
from obclip_cli.commands.image_folder import ImageFolder, jobs_for
from obclip_cli.config import Config, plain
from obclip_cli.errors import UserError, require

if TYPE_CHECKING:
    from obclip_cli.device.client import Picture
    from obclip_cli.prompts.reading import Reading

EPILOG = """
Examples:

obclip generate "a woman firefighter with dark skin"

obclip generate "an old man with light skin" -k 5 --seed 3 -n 4 -o results/old-man

obclip generate "a woman firefighter" --compare --upscale

obclip generate "a woman firefighter" --no-sheet --pair sdxl-koala

obclip generate "a woman firefighter with dark skin" --image sketch.png --strength 0.5

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
    sheet: Annotated[
        bool, typer.Option("--sheet/--no-sheet", help="A contact sheet of what the cloud sent back and could see.")
    ] = True,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="On it, each model's image alone: one more image of each.")
    ] = False,
    image: Annotated[
        Path | None, typer.Option("--image", help="A picture that the image is to be like. It is never sent.")
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength", help="Share of the steps that run without it, at most 1 - k/T; less is nearer to it."
        ),
    ] = None,
    cells: Annotated[
        int, typer.Option("--cells", help="How fine: the means of CELLS x CELLS parts of it are used.")
    ] = 8,
    upscale: Annotated[bool, typer.Option("--upscale", help="Also a copy of at least 512 pixels.")] = False,
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
    require(config.seed + count <= 2**63, f"-n {count} images from seed={config.seed} on pass the last seed, 2^63-1")
    prompts = read_prompts(prompt, prompt_file)
    picture = None if image is None else read_picture(image, strength, cells, config)
    require(picture is not None or strength is None, "--strength is that of a picture; name one with --image FILE")
    folder = output or default_folder([prompt for prompt, _ in prompts], config, count, picture)
    readings = read_all(prompts, config)
    extras = {"contact_sheet": sheet or compare, "comparison_seconds": compare, "upscaled": upscale}
    wanted = {"image", *(name for name, asked in extras.items() if asked)}
    images = ImageFolder(folder, config, jobs_for(readings, config.seed, count, picture), wanted)
    if images.left:
        from obclip_cli.commands.image_making import make_images

        make_images(images, shown=not as_json)
    elif not as_json:
        typer.echo("finished before, and only read", err=True)
    if as_json:
        typer.echo((folder / "summary.json").read_text(), nl=False)
        return
    for facts in images.images:
        show(facts, folder)


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
    from obclip_cli.prompts import learnt
    from obclip_cli.prompts.decoys import fewest
    from obclip_cli.prompts.reading import read_for
    from obclip_cli.report.progress import watched

    readings = []
    for prompt, where in watched(prompts):
        try:
            readings.append(read_for(prompt, config))
            fewest(readings[-1].n, config.privacy.lambda_)  # refuses a lambda that this N does not allow
        except UserError as error:
            raise UserError(f"{where}{error}") from error
    for prompt in dict.fromkeys(reading.prompt for reading in readings):
        if told := learnt.warning(prompt, config.pair):
            o.warn(told)
    if config.privacy.strategy == "none":
        o.warn("privacy.strategy=none: the cloud sees the prompt itself")
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
        o.warn("; ".join([f'{where}"{reading.prompt}"', *reading.lines()]))
    if todo == "ask":
        typer.echo("the cloud would see, one prompt a line:", err=True)
        o.print_exactly(o.would_send(reading, config).sent.prompts, err=True)
        typer.confirm("Send it?", abort=True, err=True)


def read_picture(path: Path, strength: float | None, cells: int, config: Config) -> "Picture":
    """The picture to go by, checked before anything is loaded or sent.

    Raises:
        UserError: it cannot be read, or its strength or cells do not fit to the steps.
    """
    from obclip_cli.data import pictures
    from obclip_cli.device.client import Picture
    from obclip_cli.diffusion.schedule import split

    picture = Picture(pictures.read_picture(path), strength, cells)
    picture.last(split(config.pair, config.hybrid))
    return picture


def default_folder(prompts: list[str], config: Config, count: int, picture: "Picture | None" = None) -> Path:
    """`results/generate/<prompt>-<hash of what is asked>`."""
    from obclip_cli.runs import fingerprint

    words = re.sub(r"[^a-z0-9]+", "-", prompts[0].lower()).strip("-")[:40] or "prompt"
    like = [] if picture is None else [picture.facts]
    return Path("results/generate") / f"{words}-{fingerprint(prompts, plain(config), count, *like)}"


def show(facts: dict[str, Any], folder: Path) -> None:
    """Print one image's facts for a person; what the cloud saw to the letter."""
    from obclip_cli.prompts.reading import findings

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for heading, said in findings(facts["reading"]):
        table.add_row(heading, Text(said))
    table.add_row("sent", f"{facts['bytes_up']:,} bytes up, {facts['bytes_down']:,} bytes down")
    if "picture" in facts:
        table.add_row("picture", "blended in on the device; nothing of it was sent")
    for side in ("cloud", "device"):
        macs = facts[f"{side}_macs"] / 1e9
        table.add_row(side, f"{facts[f'{side}_steps']} steps, {macs:,.2f} GMAC, {facts[f'{side}_seconds']:.2f} s")
    table.add_row("image", f"decoded in {facts['decode_seconds']:.2f} s")
    if "contact_sheet" in facts:
        table.add_row("contact sheet", f"{facts['sheet_seconds']:.2f} s; --no-sheet leaves it out")
    if "comparison_seconds" in facts:
        table.add_row("comparison", f"{facts['comparison_seconds']:.2f} s for either model alone")
    table.add_row("loading", f"{facts['load_seconds']:.2f} s, once; computed on {facts['threads']} (--threads)")
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
    for name in ("image", "upscaled", "contact_sheet"):
        if name not in facts:
            continue
        # A path stays on one line, to be copied.
        typer.echo(f"{name.replace('_', ' '):<15}{folder / facts[name]}")
