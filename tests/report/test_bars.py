"""Bars of several series."""

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from obclip_cli.report import bars
from obclip_cli.report.bars import plot_bars


def test_every_known_value_is_written_behind_its_interval(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(bars, "save_figure", lambda figure, path, **_: drawn.append(figure))
    ours = pd.DataFrame({"FID": [2.0, None], "FID_low": [1.0, None], "FID_high": [5.0, None]}, index=["a", "b"])
    plot_bars({"ours": ours, "paper": pd.DataFrame({"fid": [3.0, 4.5]}, index=["a", "b"])}, tmp_path / "x", title="t")
    first, second = drawn[0].axes
    assert [(text.get_text(), text.xy[0]) for text in first.texts] == [("2", 5.0)]
    assert [text.get_text() for text in second.texts] == ["3", "4.5"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]


def test_a_figure_is_written(tmp_path: Path) -> None:
    plot_bars({"x": pd.DataFrame({"s": [1.0], "t": [None]}, index=["row"])}, tmp_path / "figure.png", title="t")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
