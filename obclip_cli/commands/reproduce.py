"""`obclip reproduce`: run the paper's experiments and write their tables and figures."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.commands.progress import progress_bars
from obclip_cli.config import nearest
from obclip_cli.errors import UserError
from obclip_cli.resources import data_folder

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
        own = module.OVERRIDES.get(pair, [])
        config = o.compose_from([*own, *overrides], pair=pair, seed=seed)
        with progress_bars() as bar:
            text = module.run(config, folder, bar)
        sections.append(Section(module.TITLE, f"{experiment}.png", f"{experiment}.md", text))
        typer.echo(f"\n{text}\nwritten to {folder}")
    if name is None:
        write_page(folder, sections)


def experiment_names() -> list[str]:
    """Every file in experiments/, figure 3 before figure 12."""
    names = [path.stem for path in data_folder("experiments").glob("[a-z]*.py")]
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def load_experiment(name: str) -> ModuleType:
    """Import experiments/NAME.py from wherever it is installed."""
    spec = importlib.util.spec_from_file_location(f"experiments.{name}", data_folder("experiments") / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
