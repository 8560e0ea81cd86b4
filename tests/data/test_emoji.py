"""The held-out emoji set checks its own files."""

import shutil
from pathlib import Path

import pytest

from obclip_cli.errors import UserError
from obclip_cli.resources import package_folder
from tests.data import load


def test_broken_sets_name_the_file(tmp_path: Path) -> None:
    root = shutil.copytree(package_folder() / "mini" / "weights" / "reference", tmp_path / "reference")
    override = f"dataset.root={root}"
    assert len(load("emoji", override).samples(0)) == 500
    table = root / "captions.csv"
    whole = table.read_text()
    first = whole.splitlines()[1]
    for broken, words in (
        (whole.replace(first + "\n", ""), f"do not agree about {first.partition(',')[0]}"),
        (whole.replace("caption", "title", 1), "no column caption"),
        (whole.replace(first, first.split(",")[0] + ',"",' + first.rpartition('",')[2]), "empty caption"),
    ):
        table.write_text(broken)
        with pytest.raises(UserError, match=words):
            load("emoji", override)
    table.write_text(whole)
    (root / "images.zip").write_bytes((root / "images.zip").read_bytes()[:1000])
    with pytest.raises(UserError, match="not readable"):
        load("emoji", override)
