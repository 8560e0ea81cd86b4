"""`obclip eval`: score cloud-only, device-only, Hybrid SD and ObCLIP on a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.report.progress import progress_bars
from obclip_cli.report.terminal import show_table

EPILOG = """
Examples:

obclip eval --dataset emoji

obclip eval --dataset emoji dataset.limit=50

obclip eval --dataset coco dataset.root=DIR dataset.limit=100

accelerate launch --num_processes 2 -m obclip_cli.main eval --dataset coco dataset.root=DIR
"""
SHOWN = 8  # prompts in the grid of images


def evaluate(
    overrides: o.Overrides = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="A name in configs/dataset.")] = None,
    pair: o.Pair = None,
    seed: o.Seed = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
) -> None:
    """Score the baselines and ObCLIP on a dataset; a finished run is printed at once, a stopped one goes on."""
    from obclip_cli.evaluation import score
    from obclip_cli.evaluation.methods import baselines_and_obclip
    from obclip_cli.evaluation.score import is_first
    from obclip_cli.evaluation.store import run_name
    from obclip_cli.runs import check_writable

    config = o.compose_from(overrides, pair=pair, seed=seed, extra={"dataset": dataset} if dataset else None)
    methods = baselines_and_obclip(config)
    folder = output or Path("results/eval") / run_name(config, methods)
    check_writable(folder)
    with progress_bars() as bar:
        table, images, samples = score.run_benchmark(config, methods, folder, bar)
    if not is_first():
        return
    caption = score.caption(config, folder)
    if not (folder / "images.png").exists():
        from obclip_cli.metrics.scores import panels
        from obclip_cli.report.plots import plot_images, plot_scores
        from obclip_cli.report.score_table import with_intervals
        from obclip_cli.report.tables import write_table

        write_table(with_intervals(table), folder / "table", caption=caption)
        measured = table[table["clip"].notna() & table["k"].notna()]
        title = f"{config.dataset['name']}, {config.pair.name}"
        plot_scores(measured, folder / "scores.png", columns=panels(table), title=title)
        shown = min(SHOWN, len(samples))
        grid = {name: pictures[:shown] for name, pictures in images.items()}
        plot_images(folder / "images.png", grid, [sample.prompt for sample in samples[:shown]])
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    show_table(table, caption)
    typer.echo(f"written to {folder}")
