"""`obclip data`: bring datasets to this machine, and check them."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Bring datasets to this machine, and check them.")
COCO_EPILOG = """
Examples:

obclip data coco --root datasets/coco

obclip data coco --root datasets/coco --check
"""


@app.callback()
def options() -> None:
    """Bring datasets to this machine, and check them."""


@app.command("coco", epilog=COCO_EPILOG)
def coco(
    root: Annotated[Path, typer.Option("--root", help="The folder for annotations/ and val2014/.")],
    only_check: Annotated[bool, typer.Option("--check", help="Download nothing.")] = False,
) -> None:
    """MS-COCO 2014 val: 40,504 images and their captions (6.9 GB), from cocodataset.org."""
    from obclip_cli.data import coco_download
    from obclip_cli.report.progress import progress_bars
    from obclip_cli.runs import check_writable

    if not only_check:
        check_writable(root)
        with progress_bars() as bar:
            coco_download.fetch(root, bar)
    coco_download.check(root)
    typer.echo(f"{root} is whole; use it with: obclip eval --dataset coco dataset.root={root}")
