"""Figures 7 and 10 (arXiv 2510.04153): what several methods make of the same prompts from the same noise."""

from dataclasses import asdict
from pathlib import Path

from obclip_cli.compose import differing
from obclip_cli.config import Config
from obclip_cli.evaluation.blocks import rows_of
from obclip_cli.evaluation.generate import Pair, generate_images
from obclip_cli.evaluation.methods import Method
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction import grids


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the grid and the run behind it; return the caption.

    Raises:
        UserError: the pair's weights or the dataset are missing.
    """
    rows = rows_of(config)
    methods = [row.run for row in rows]
    only_k = len({row.name for row in rows}) == 1  # is said once, in the title
    names = {row.run.name: f"k={row.k}" if only_k else row.run.name for row in rows}

    def images(pair: Pair) -> grids.Images:
        hidden = grids.hidden_samples(config)
        made = generate_images(pair, hidden.samples, methods, hidden.sets, progress)
        pictures = {names[name]: images for name, images in made.items()}
        return grids.Images(pictures, hidden.samples, [sample.prompt for sample in hidden.samples])

    return grids.draw(config, folder, images, [differing(asdict(method), Method) for method in methods])
