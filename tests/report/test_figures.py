"""A figure is written whole or not at all, and plots leave matplotlib's global state alone."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from obclip_cli.errors import UserError
from obclip_cli.report.contact_sheet import Strip, write_contact_sheet
from obclip_cli.report.figures import legend_below, mark, panels, save_figure
from obclip_cli.report.plots import plot_savings

IMPORT_ALL = """
import importlib, pkgutil, sys
import matplotlib
matplotlib.use("svg")
import obclip_cli.report, obclip_cli.evaluation
for package in (obclip_cli.report, obclip_cli.evaluation):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
from obclip_cli.report.figures import panels, save_figure
from pathlib import Path
save_figure(panels(1, 1, (2, 2))[0], Path(sys.argv[1]))
assert matplotlib.get_backend() == "svg", matplotlib.get_backend()
pyplot = sys.modules.get("matplotlib.pyplot")  # torchmetrics imports it
assert pyplot is None or not pyplot.get_fignums()
"""


def test_a_full_disk_is_one_line_and_leaves_the_old_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.png"
    save_figure(panels(1, 1, (2, 2))[0], path)
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"No space left on device.*make room"):
        save_figure(panels(1, 1, (3, 2))[0], path)
    monkeypatch.undo()
    assert path.read_bytes() == before and {p.name for p in tmp_path.iterdir()} == {"figure.png", "figure.svg"}


def test_importing_and_drawing_plots_keeps_the_callers_backend(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, str(drawn)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert drawn.exists()


@pytest.mark.parametrize("count", [2, 4])
def test_lines_that_coincide_are_all_seen(tmp_path: Path, count: int) -> None:
    figure, axes = panels(1, 1, (4, 4))
    for place in range(count):
        axes[0][0].plot([0, 1, 2], [0, 1, 0], **mark(place, count))
    save_figure(figure, tmp_path / "lines.png")
    pixels = np.asarray(Image.open(tmp_path / "lines.png").convert("RGB")).reshape(-1, 3).astype(int)
    for place in range(count):
        colour = np.array([round(255 * part) for part in to_rgb(f"C{place}")])
        assert (abs(pixels - colour).max(axis=1) < 40).sum() > 20, place


@pytest.mark.parametrize("labels", [["short"], [f"ObCLIP, k={k}, cache+reuse" for k in range(30)], ["long " * 60] * 3])
def test_a_legend_is_whole_however_many_and_long_its_names_are(labels: list[str]) -> None:
    figure, axes = panels(1, 1, (4, 3))
    handles = [axes[0][0].plot([0, 1], [0, place])[0] for place in range(len(labels))]
    below = legend_below(figure, handles, labels)
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert [text.get_text().split() for text in legend.get_texts()] == [label.split() for label in labels]
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 and box.y1 <= below * figure.bbox.height
    assert figure.get_figheight() * (1 - below) == pytest.approx(3)


def test_every_part_that_saves_has_a_colour_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("obclip_cli.report.plots.save_figure", lambda figure, path, **_: seen.append(figure))
    parts = {f"part {place}": [1.0, 2.0] for place in range(24)}
    plot_savings({"title": pd.DataFrame({"step": [0, 1], "computed": [1.0, 1.0], **parts})}, tmp_path / "x.png")
    (axis,) = seen[0].axes
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in axis.containers}
    assert len(looks) == 25


def test_a_prompt_on_a_contact_sheet_is_no_formula(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    prompt = r"a $5 man and a $\frac{ woman 😀 [/b] <lora:x:1> $"
    picture = Image.new("RGB", (8, 8))
    write_contact_sheet(tmp_path / "x.png", title=prompt, strips=[Strip(prompt, [(prompt, [picture])])])
    assert (tmp_path / "x.png").exists() and not [w for w in recwarn if "Glyph" in str(w.message)]
