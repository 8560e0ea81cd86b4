"""Grids of images with numbers behind them: what is shown, from which noise, and what the judge reads in it.

readings.csv   one row an image: its row and column in the grid, prompt, seed, and for each attribute that was asked
               for what the judge reads and whether that is right
images/ROW/    the images, as PNG
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.config import Config, plain, taxonomy_path
from obclip_cli.data import Sample, load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import Pair, generate_images, load_pair
from obclip_cli.evaluation.hiding import Hidden, hide_all
from obclip_cli.evaluation.images import StoredImages, slug
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.metrics.scores import TOP
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.runs import pair_weights, read_table

READ, HIT = "_read", "_right"
BATCH = 64


@dataclass(frozen=True)
class Images:
    """What a grid is made of.

    Attributes:
        rows: name -> uint8 images (n, 3, H, W), all in the order of the samples.
        samples: what each image was to show.
        columns: what stands over them.
        unread: rows that the judge is not asked about.
    """

    rows: dict[str, torch.Tensor]
    samples: list[Sample]
    columns: list[str]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A finished run.

    Attributes:
        table: `readings.csv`.
    """

    run: Path
    table: pd.DataFrame

    def shown(self, count: int) -> pd.DataFrame:
        """The table of the first `count` columns."""
        return self.table[self.table["place"] < count].drop(columns=["place"])

    def image(self, row: str, count: int) -> torch.Tensor:
        """The first images of a row, (n, 3, H, W)."""
        return StoredImages(self.run / "images" / slug(row), count)[:]


def run_folder(config: Config, folder: Path, name: str, parameters: tuple[Any, ...]) -> Path:
    """Where `make` keeps what it was called with."""
    digest = runs.fingerprint(plain(config), pair_weights(config.pair), parameters)
    return folder / "runs" / f"{name}-{config.pair.name}-{digest}"


def make(
    config: Config, folder: Path, name: str, images: Callable[[Pair], Images], parameters: tuple[Any, ...]
) -> Grid:
    """Generate and judge, or read what was made before.

    Args:
        folder: where `runs/` is.
        parameters: of the experiment, beside the configuration; another value is another run.

    Raises:
        UserError: the pair's weights or the dataset are not on this machine.
    """
    pairs.require(config.pair)
    run = run_folder(config, folder, name, parameters)
    if not runs.is_finished(run, config):
        made = images(load_pair(config))
        table = readings(made, load_extractor(config))
        runs.start(run, config)
        for row, pictures in made.rows.items():
            stored = StoredImages(run / "images" / slug(row), len(pictures))
            for place, picture in enumerate(pictures):
                stored.write(place, picture)
        runs.write_text(run / "readings.csv", table.to_csv(index=False))
        runs.mark_finished(run, config)
    return Grid(run, read_table(run / "readings.csv"))


def readings(made: Images, examiner: FeatureExtractor) -> pd.DataFrame:
    """One row an image; attributes that no sample asks for are left out, and roles, which styles draw alike."""
    asked = [name for name in examiner.labels if name not in TOP and any(name in s.labels for s in made.samples)]
    rows = []
    for name, pictures in made.rows.items():
        read = {} if name in made.unread else _read(pictures, asked, examiner)
        for place, (sample, column) in enumerate(zip(made.samples, made.columns, strict=True)):
            row = {"row": name, "place": place, "column": column, "prompt": sample.prompt, "seed": sample.seed}
            for attribute in asked:
                wanted, seen = sample.labels.get(attribute), read[attribute][place] if read else None
                right = None if wanted is None or seen is None else seen == wanted
                row |= {attribute: wanted, attribute + READ: seen, attribute + HIT: right}
            rows.append(row)
    return pd.DataFrame(rows)


def _read(pictures: torch.Tensor, attributes: list[str], examiner: FeatureExtractor) -> dict[str, list[str]]:
    """attribute -> the likeliest value in each image."""
    logits = [examiner.extract(part).attribute_logits for part in pictures.split(BATCH)]
    best = {name: torch.cat([part[name] for part in logits]).argmax(dim=1) for name in attributes}
    return {name: [examiner.labels[name][place] for place in places] for name, places in best.items()}


def judged(table: pd.DataFrame) -> list[str]:
    """The attributes that were read."""
    return [column.removesuffix(HIT) for column in table.columns if column.endswith(HIT)]


def write(grid: Grid, folder: Path, name: str, *, title: str, caption: str, count: int | None = None) -> None:
    """Write NAME.csv, .md, .tex and .png from the stored readings and images.

    Args:
        count: how many columns are drawn; all by default.
    """
    count = int(grid.table["place"].max()) + 1 if count is None else count
    shown = grid.shown(count)
    if (shown["column"] == shown["prompt"]).all():
        shown = shown.drop(columns="column")
    write_table(shown, folder / name, caption=caption)
    names = list(dict.fromkeys(grid.table["row"]))
    first = grid.table[(grid.table["row"] == names[0]) & (grid.table["place"] < count)]
    plot_grid(
        folder / f"{name}.png",
        {row: grid.image(row, count) for row in names},
        [str(column) for column in first["column"]],
        right={row: _all_right(grid.table[grid.table["row"] == row])[:count] for row in names},
        title=title,
    )


def _all_right(table: pd.DataFrame) -> list[bool | None]:
    hits = table[[attribute + HIT for attribute in judged(table)]]
    return [None if row.isna().all() else bool(row.dropna().astype(bool).all()) for _, row in hits.iterrows()]


def right_shares(table: pd.DataFrame) -> str:
    """How many images of each row are read right, attribute by attribute."""
    attributes = judged(table)
    if not attributes:
        return "The pair's judge reads no attribute that these prompts ask for."
    parts = []
    for row, found in table.groupby("row", sort=False):
        if found[[a + HIT for a in attributes]].isna().all(axis=None):
            continue
        counts = [(a, found[a + HIT].dropna().astype(bool)) for a in attributes]
        parts.append(f"{row}: {', '.join(f'{name} {int(hits.sum())}/{len(hits)}' for name, hits in counts)}")
    return f"Read right by the judge: {'; '.join(parts)}."


def described(config: Config, grid: Grid) -> str:
    """The end of every caption."""
    by = (config.pair.judge and "the pair's own judge") or "the public examiner"
    return (
        f"Images, prompts and noise are this pair's own ({config.pair.name}, {config.dataset['name']}, "
        f"{config.hybrid.steps} steps, seed {config.seed}), not the paper's; attributes read by {by}. "
        f"Run: runs/{grid.run.name}."
    )


def hidden_dataset(config: Config) -> Hidden:
    """The configured prompts with their candidates."""
    return hide_all(load_dataset(config.dataset).samples(config.seed), config.privacy, taxonomy_of(config))


def taxonomy_of(config: Config) -> Taxonomy:
    """The pair's."""
    return load_taxonomy(taxonomy_path(config.pair.taxonomy))


def by_methods(pair: Pair, config: Config, methods: list[Method], progress: ProgressBar) -> Images:
    """Every method on the same prompts and noise."""
    hidden = hidden_dataset(config)
    rows = generate_images(pair, hidden.samples, methods, hidden.sets, progress)
    return Images(rows, hidden.samples, [sample.prompt for sample in hidden.samples])
