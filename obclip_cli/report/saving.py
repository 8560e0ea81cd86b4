"""Figures on disk: whole or not at all, and one line where they cannot be written."""

import io
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from obclip_cli.runs import write_bytes


def save_figure(figure: Figure, path: Path, *, dpi: int = 120) -> None:
    """Write a figure as PNG and close it.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi)
    plt.close(figure)
    write_bytes(path, content.getvalue())
