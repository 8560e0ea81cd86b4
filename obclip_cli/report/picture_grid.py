"""A grid of images in which those that the judge reads wrong are framed."""

import textwrap
from pathlib import Path

import torch

from obclip_cli.report.figures import panels, save_figure

SIDE = 1.15  # inches
LETTER, LONGEST = 0.075, 24  # inches a letter of a row's name, and its letters a line
RIGHT, WRONG, UNJUDGED = "#3a8f5c", "#d1342f", "#999999"
LEGEND = "green frame: the judge reads every asked attribute right; red: at least one wrong"


def plot_grid(
    path: Path,
    rows: dict[str, torch.Tensor],
    columns: list[str],
    *,
    right: dict[str, list[bool | None]] | None = None,
    title: str = "",
) -> None:
    """One row a method, one column a prompt or setting.

    Args:
        rows: name -> uint8 images (columns, 3, H, W).
        right: name -> whether the judge reads each image right, None where it was not asked.
    """
    right = right or {name: [None] * len(columns) for name in rows}
    names = {name: textwrap.fill(name, LONGEST) for name in rows}
    label = 0.25 + LETTER * max(len(line) for name in names.values() for line in name.splitlines())
    width, height = SIDE * len(columns) + label, SIDE * len(rows) + 1.25
    figure, axes = panels(len(rows), len(columns), (width, height))
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image, good in zip(line, images, right[name], strict=True):
            axis.imshow(image.permute(1, 2, 0).numpy(), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            colour = UNJUDGED if good is None else RIGHT if good else WRONG
            for spine in axis.spines.values():
                spine.set(color=colour, linewidth=2.2 if good is False else 1.2)
        line[0].set_ylabel(names[name], rotation=0, ha="right", va="center", fontsize=8)
    for axis, caption in zip(axes[0], columns, strict=True):
        axis.set_title(textwrap.fill(caption, 17), fontsize=7)
    figure.suptitle("\n".join(textwrap.wrap(title, int(10 * width))), fontsize=10, y=1 - 0.08 / height)
    if any(good is not None for found in right.values() for good in found):
        figure.text(0.5, 0.06 / height, LEGEND, ha="center", va="bottom", fontsize=7)
    figure.subplots_adjust(
        left=label / width, right=0.99, top=1 - 0.95 / height, bottom=0.26 / height, wspace=0.06, hspace=0.06
    )
    save_figure(figure, path, below=None)
