"""Prompts to look through: each one's candidates as the cloud could see them at k, and what becomes of the prompt.

The pictures are also put into `gallery/` of the results, for the page `index.html`.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.cloud.server import CloudServer
from obclip_cli.compose import differing
from obclip_cli.config import Config
from obclip_cli.data import Sample
from obclip_cli.diffusion.denoise import decode
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError, require
from obclip_cli.evaluation.blocks import rows_of, settings_of
from obclip_cli.evaluation.generate import Pair, generate_images
from obclip_cli.evaluation.hiding import Hidden
from obclip_cli.evaluation.images import slug
from obclip_cli.evaluation.methods import Method
from obclip_cli.protocol import CloudRequest
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids

DRAWN = 6  # columns of the picture beside the table


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the grid, the run behind it and the pictures of the page; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing, or the prompts have unequal numbers of candidates.
    """
    methods = [row.run for row in rows_of(config)]

    def images(pair: Pair) -> grids.Images:
        hidden = grids.hidden_samples(config)
        made = generate_images(pair, hidden.samples, methods, hidden.sets, progress)
        seen = _seen(pair, config, hidden, progress)
        pictures = {name: images for name, (images, _) in seen.items()}
        others = {name: samples for name, (_, samples) in seen.items()}
        columns = [sample.prompt for sample in hidden.samples]
        return grids.Images(made | pictures, hidden.samples, columns, row_samples=others)

    parameters = [differing(asdict(method), Method) for method in methods]
    name = settings_of(config)["name"]
    return grids.draw(
        config, folder, images, parameters, columns=DRAWN, listed=lambda run: _published(run, folder, name)
    )


def _seen(
    pair: Pair, config: Config, hidden: Hidden, progress: ProgressBar
) -> dict[str, tuple[torch.Tensor, list[Sample]]]:
    """The cloud's prediction of each candidate's clean image after step k: row -> uint8 (n, 3, H, W), its samples."""
    count = len(hidden.sets[0].prompts)
    require(
        all(len(candidates.prompts) == count for candidates in hidden.sets),
        "the gallery's prompts have unequal numbers of candidates; choose a dataset with the same attributes in all",
    )
    cloud, stretch = CloudServer(pair.cloud, batch=pair.batch), split(config.pair, config.hybrid).cloud
    advance = progress("candidates", len(hidden.sets))
    found = []
    for sample, candidates in zip(hidden.samples, hidden.sets, strict=True):
        request = CloudRequest(candidates.prompts, stretch.steps, 0, stretch.stop, stretch.guidance_scale, sample.seed)
        state = cloud.denoise(request)
        if state.history is None:
            raise UserError(
                "this cloud's solver keeps no prediction of the clean image; the gallery needs DPM-Solver++"
            )
        found.append((decode(pair.device, state.history) * 255).round().to(torch.uint8))
        advance(1)
    return {
        f"candidate {place + 1}": (
            torch.stack([images[place] for images in found]),
            [
                replace(sample, prompt=candidates.prompts[place], labels={})
                for sample, candidates in zip(hidden.samples, hidden.sets, strict=True)
            ],
        )
        for place in range(count)
    }


def _published(run: Path, folder: Path, name: str) -> pd.DataFrame:
    """Copy the run's pictures to `folder/gallery/`, and list them all."""
    table = runs.read_table(run / "readings.csv").rename(columns={"prompt": "words"})
    table.insert(1, "prompt", table["column"])
    kept = zip(table["row"], table["place"], strict=True)
    files = {
        f"{name}/{place:03d}-{slug(row)}.png": run / "images" / slug(row) / f"{place:06d}.png" for row, place in kept
    }
    for file, image in files.items():
        runs.write_bytes(folder / file, image.read_bytes())
    table["file"] = list(files)
    return table.drop(columns="column")
