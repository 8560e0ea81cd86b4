"""`obclip reproduce`: run the paper's experiments and write their tables and figures."""

from pathlib import Path
from typing import Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.commands.progress import progress_bars
from obclip_cli.config import nearest
from obclip_cli.errors import UserError
from obclip_cli.reproduction.experiments import experiment_names, load_experiment

EPILOG = """
Examples:

obclip reproduce

obclip reproduce figure3 dataset.limit=20 -o results/quick
"""


def reproduce(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] [KEY=VALUE]...", help="An experiment, then overrides.", show_default=False),
    ] = None,
    pair: o.Pair = "mini",
    seed: o.Seed = None,
    output: o.Output = None,
) -> None:
    """Run the paper's experiments; without NAME, all of them."""
    from obclip_cli.generation import check_writable
    from obclip_cli.report.page import Section, write_page

    name, overrides = o.split_prompt(arguments or [])
    known = experiment_names()
    if name is not None and name not in known:
        raise UserError(f"there is no experiment {name}; {nearest(name, known)}")
    folder = output or Path("results")
    check_writable(folder)
    sections = []
    for experiment in [name] if name else known:
        module = load_experiment(experiment)
        config = o.compose_from([*module.overrides(pair or "mini"), *overrides], pair=pair, seed=seed)
        with progress_bars() as bar:
            text = module.run(config, folder, bar)
        sections.append(Section(module.TITLE, f"{experiment}.png", f"{experiment}.md", text))
        typer.echo(f"\n{text}\nwritten to {folder}")
    if name is None:
        write_page(folder, sections)
