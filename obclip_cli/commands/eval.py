"""`obclip eval`: score cloud-only, device-only, Hybrid SD and ObCLIP on a dataset."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from obclip_cli.commands import options as o
from obclip_cli.commands.progress import progress_bars

EPILOG = """
Examples:

obclip eval --dataset emoji

obclip eval --dataset emoji dataset.limit=50

obclip eval --dataset coco dataset.root=DIR dataset.limit=100
"""
PANELS = {
    "fid": "FID (judge) ↓",
    "clip": "CLIP score (judge) ↑",
    "tone": "skin tone right ↑",
    "gender": "gender right ↑",
}


def evaluate(
    overrides: o.Overrides = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="A name in configs/dataset.")] = None,
    pair: o.Pair = None,
    seed: o.Seed = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
) -> None:
    """Score the baselines and ObCLIP on a dataset; writes a table and a plot."""
    from obclip_cli import benchmark
    from obclip_cli.generation import check_writable
    from obclip_cli.report.plots import plot_images, plot_scores
    from obclip_cli.report.tables import write_table

    config = o.compose_from(overrides, pair=pair, seed=seed, extra={"dataset": dataset} if dataset else None)
    methods = benchmark.baselines_and_obclip(config)
    folder = output or Path("results/eval") / benchmark.run_name(config, methods)
    check_writable(folder)
    with progress_bars() as bar:
        table, images, samples = benchmark.run_benchmark(config, methods, folder, bar)
    table = pd.read_csv(folder / "scores.csv")
    caption = (
        f"Dataset {config.dataset['name']}, pair {config.pair.name}, {len(samples)} prompts, "
        f"{config.hybrid.steps} steps, seed {config.seed}. FID, IS and CLIP score by the judge {config.pair.judge}."
    )
    write_table(table, folder / "table", caption=caption)
    measured = table[table["fid"].notna()]
    panels = {column: label for column, label in PANELS.items() if measured[column].notna().any()}
    plot_scores(measured, folder / "scores.png", columns=panels, title=f"{config.dataset['name']}, {config.pair.name}")
    shown = min(8, len(samples))
    plot_images(
        folder / "images.png",
        {name: pictures[:shown] for name, pictures in images.items()},
        [sample.prompt for sample in samples[:shown]],
    )
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    show_table(table, caption)
    typer.echo(f"written to {folder}")


def show_table(table: pd.DataFrame, caption: str) -> None:
    """Print a table for a person."""
    shown = Table(title=caption, title_justify="left")
    for column in table.columns:
        shown.add_column(column, justify="left" if column in ("method", "order") else "right")
    for row in table.itertuples(index=False):
        shown.add_row(*("" if pd.isna(value) else str(value) for value in row))
    Console().print(shown)
