"""A figure is written whole or not at all."""

import errno
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

from obclip_cli.errors import UserError
from obclip_cli.report.saving import save_figure


def test_a_full_disk_is_one_line_and_leaves_the_old_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, open_before = tmp_path / "figure.png", plt.get_fignums()
    save_figure(plt.figure(), path)
    before = path.read_bytes()
    assert before.startswith(b"\x89PNG")

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"No space left on device.*make room"):
        save_figure(plt.figure(), path)
    monkeypatch.undo()
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert plt.get_fignums() == open_before
