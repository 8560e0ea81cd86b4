"""`obclip eval`: score cloud-only, device-only, Hybrid SD and ObCLIP on a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import Config
from obclip_cli.errors import UserError, require
from obclip_cli.overrides import names_of

if TYPE_CHECKING:
    import pandas as pd

    from obclip_cli.data import Sample
    from obclip_cli.evaluation.images import StoredImages

EPILOG = f"""
experiment=NAME scores the methods of {", ".join(names_of("experiment"))}.

Examples:

obclip eval --dataset emoji

obclip eval --dataset emoji --limit 50 -k 5,10

obclip eval --limit 50 hybrid.switch_point=7 hybrid.handover=history cache=paper

obclip eval --dataset coco dataset.root=DIR dataset.limit=100

obclip eval experiment=table3

accelerate launch --num_processes 2 -m obclip_cli.main eval --dataset coco dataset.root=DIR
"""
SHOWN = 8  # prompts in the grid of images


def evaluate(
    overrides: o.Overrides = None,
    dataset: o.Dataset = None,
    pair: o.Pair = None,
    switch_points: Annotated[
        str | None, typer.Option("-k", "--switch-point", help="Steps that the cloud runs; several as in 5,10.")
    ] = None,
    lambda_: o.Lambda = None,
    seed: o.Seed = None,
    limit: o.Limit = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Score the baselines and ObCLIP on a dataset; a finished run is only read, a stopped one resumes."""
    points = read_switch_points(switch_points)
    options = {"pair": pair, "dataset": dataset, "lambda_": lambda_, "seed": seed, "limit": limit}
    at = [o.compose_from(overrides, switch_point=point, **options) for point in points or (None,)]
    config = at[0]
    if show_config:
        o.print_config(config)
        return
    from obclip_cli.evaluation import score
    from obclip_cli.evaluation.blocks import blocks_of
    from obclip_cli.evaluation.methods import baselines_and_obclip
    from obclip_cli.evaluation.score import is_first
    from obclip_cli.evaluation.store import run_name
    from obclip_cli.report.progress import progress_bars
    from obclip_cli.report.tables import show_table

    if config.experiment is None:
        methods = baselines_and_obclip(config, points, {one.hybrid.switch_point: one.cache for one in at})
    else:
        require(not points, f"experiment={config.experiment['name']} says itself at which k; leave -k out")
        block = blocks_of(config)[0]
        config, methods = block.config, block.methods
    folder = output or Path("results/eval") / run_name(config, methods)
    with progress_bars() as bar:
        table, images, samples = score.run_benchmark(config, methods, folder, bar)
    if not is_first():
        return
    caption = score.caption(config, folder)
    if not (folder / "images.png").exists():
        try:
            _draw(config, folder, table, caption, images, samples)
        except UserError as error:  # scores that are finished are shown, also from a disk that is full or read-only
            typer.echo(f"warning: {error}", err=True)
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    show_table(table, caption)
    typer.echo(f"written to {folder}")


def _draw(
    config: Config,
    folder: Path,
    table: "pd.DataFrame",
    caption: str,
    images: "dict[str, StoredImages]",
    samples: "list[Sample]",
) -> None:
    """The table, the plot of scores, and last the grid of images."""
    from obclip_cli.metrics.scores import panels
    from obclip_cli.report.bars import plot_scores
    from obclip_cli.report.picture_grid import plot_grid
    from obclip_cli.report.tables import with_intervals, write_table

    write_table(with_intervals(table), folder / "table", caption=caption)
    measured, title = table[table["clip"].notna() & table["k"].notna()], f"{config.dataset['name']}, {config.pair.name}"
    plot_scores(measured, folder / "scores.png", columns=panels(table), title=f"{title}; whiskers: 95 % intervals")
    shown = min(SHOWN, len(samples))
    grid = {name: pictures[:shown] for name, pictures in images.items()}
    plot_grid(folder / "images.png", grid, [sample.prompt for sample in samples[:shown]])


def read_switch_points(text: str | None) -> tuple[int, ...]:
    """Every k of `-k 5,10`.

    Raises:
        UserError: one is no number.
    """
    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise UserError(f"-k {text} is not a number of steps, nor several as in -k 5,10") from error
