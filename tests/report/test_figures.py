"""A figure is written whole or not at all, and plots leave matplotlib's global state alone."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from obclip_cli.errors import UserError
from obclip_cli.report.figures import panels, save_figure

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
        save_figure(panels(1, 1, (2, 2))[0], path)
    monkeypatch.undo()
    assert path.read_bytes() == before and {p.name for p in tmp_path.iterdir()} == {"figure.png", "figure.svg"}


def test_importing_and_drawing_plots_keeps_the_callers_backend(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL, str(drawn)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert drawn.exists()
