"""Grids of images with numbers behind them: what is shown, from which noise, and what the judge reads in it.

readings.csv   one row an image: its row and column in the grid, prompt, seed, and for each attribute that was asked
               for what the judge reads and whether that is right
images/ROW/    the images, as PNG
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.data import Sample, load_dataset
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.generate import Pair, load_pair
from obclip_cli.evaluation.hiding import Hidden, hide_all
from obclip_cli.evaluation.images import StoredImages, slug
from obclip_cli.metrics.features import FeatureExtractor
from obclip_cli.metrics.scores import TOP
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.reproduction.experiment import run_folder, write_results

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
        row_samples: samples of rows whose prompts are others.
    """

    rows: dict[str, torch.Tensor]
    samples: list[Sample]
    columns: list[str]
    unread: tuple[str, ...] = ()
    row_samples: dict[str, list[Sample]] = field(default_factory=dict)


def draw(
    config: Config,
    folder: Path,
    images: Callable[[Pair], Images],
    parameters: Any,
    *,
    columns: int | None = None,
    listed: Callable[[Path], pd.DataFrame | None] = lambda _: None,
) -> str:
    """Generate and judge, or read what was made before; write NAME.csv, .md, .tex and .png; return the caption.

    Args:
        folder: where `runs/` is.
        parameters: of the experiment, beside the configuration; another value is another run.
        columns: how many are drawn and listed; all by default.
        listed: run folder -> what NAME.csv holds where it is not what is drawn.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    pairs.require(config.pair)
    run = run_folder(config, folder, parameters)
    if not runs.is_finished(run, config):
        _make(config, run, images(load_pair(config)))
    table = runs.read_table(run / "readings.csv")
    shown = table if columns is None else table[table["place"] < columns]
    total, count = (len(set(found["place"])) for found in (table, shown))
    part = f"{count} of {total} columns are drawn and listed; readings.csv of the run holds all." * (count < total)
    unneeded = ["place", "column"] if (shown["column"] == shown["prompt"]).all() else ["place"]
    caption = write_results(config, folder, shown.drop(columns=unneeded), run, part, whole=listed(run))
    rows = {str(name): found for name, found in shown.groupby("row", sort=False)}
    plot_grid(
        folder / f"{settings_of(config)['name']}.png",
        {name: StoredImages(run / "images" / slug(name), count)[:] for name in rows},
        next(iter(rows.values()))["column"].astype(str).tolist(),
        right={name: _all_right(found) for name, found in rows.items()},
        title=f"{settings_of(config)['title']} ({config.pair.name})",
    )
    return caption


def _make(config: Config, run: Path, made: Images) -> None:
    table = readings(made, load_extractor(config))
    runs.start(run, config)
    for row, pictures in made.rows.items():
        stored = StoredImages(run / "images" / slug(row), len(pictures))
        for place, picture in enumerate(pictures):
            stored.write(place, picture)
    runs.write_text(run / "readings.csv", table.to_csv(index=False))
    runs.mark_finished(run, config)


def readings(made: Images, judge: FeatureExtractor) -> pd.DataFrame:
    """One row an image; attributes that no sample asks for are left out, and roles, which styles draw alike."""
    asked = [name for name in judge.labels if name not in TOP and any(name in s.labels for s in made.samples)]
    rows = []
    for name, pictures in made.rows.items():
        read = {} if name in made.unread else _read(pictures, asked, judge)
        for place, (sample, column) in enumerate(
            zip(made.row_samples.get(name, made.samples), made.columns, strict=True)
        ):
            row = {"row": name, "place": place, "column": column, "prompt": sample.prompt, "seed": sample.seed}
            for attribute in asked:
                wanted, seen = sample.labels.get(attribute), read[attribute][place] if read else None
                right = None if wanted is None or seen is None else seen == wanted
                row |= {attribute: wanted, attribute + READ: seen, attribute + HIT: right}
            rows.append(row)
    return pd.DataFrame(rows)


def _read(pictures: torch.Tensor, attributes: list[str], judge: FeatureExtractor) -> dict[str, list[str]]:
    """attribute -> the likeliest value in each image."""
    logits = [judge.extract(part).attribute_logits for part in pictures.split(BATCH)]
    best = {name: torch.cat([part[name] for part in logits]).argmax(dim=1) for name in attributes}
    return {name: [judge.labels[name][place] for place in places] for name, places in best.items()}


def _all_right(table: pd.DataFrame) -> list[bool | None]:
    hits = table[[column for column in table.columns if column.endswith(HIT)]]
    return [None if row.isna().all() else bool(row.dropna().astype(bool).all()) for _, row in hits.iterrows()]


def hidden_samples(config: Config, samples: list[Sample] | None = None) -> Hidden:
    """The configured dataset's prompts, or others, with their candidates."""
    samples = load_dataset(config.dataset).samples(config.seed) if samples is None else samples
    return hide_all(samples, config.privacy, load_taxonomy(taxonomy_path(config.pair.taxonomy)))
