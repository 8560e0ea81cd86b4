"""A folder of pictures with captions, in the layouts that people have."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from obclip_cli.errors import UserError
from tests.data import load

Write = Callable[[Path], None]


def as_csv(root: Path) -> None:
    (root / "metadata.csv").write_text("file_name,text,gender\nb/1.png,a  man,male\n0.jpg,a dog,\n")


def as_jsonl(root: Path) -> None:
    lines = ['{"file_name": "b/1.png", "text": "a man", "gender": "male"}', '{"file_name": "0.jpg", "text": "a dog"}']
    (root / "metadata.jsonl").write_text("\n".join(lines))


def as_texts(root: Path) -> None:
    (root / "0.txt").write_text("a dog\n")
    (root / "b/1.txt").write_text("a man")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    Image.fromarray(np.zeros((20, 40, 3), dtype=np.uint8)).save(tmp_path / "0.jpg")
    Image.new("LA", (30, 10), (255, 0)).save(tmp_path / "b/1.png")
    return tmp_path


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_texts])
def test_pictures_of_any_size_and_mode_have_their_captions(folder: Path, write: Write) -> None:
    write(folder)
    dataset = load("folder", f"dataset.root={folder}", "dataset.size=16")
    shown = {sample.prompt: sample.labels for sample in dataset.reference_samples()}  # type: ignore[attr-defined]
    assert shown == {"a man": {} if write is as_texts else {"gender": "male"}, "a dog": {}}
    assert {sample.prompt for sample in dataset.samples(0)} == {*shown}
    (pictures,) = dataset.references(0)
    assert pictures.shape == (2, 3, 16, 16) and {int(picture.max()) for picture in pictures} == {0, 255}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda root: (root / "0.txt").unlink(), "0.txt"),
        (lambda root: (root / "0.txt").write_text(" \n"), "empty caption"),
        (lambda root: (root / "metadata.csv").write_text("file_name,text\nno.png,a dog\n"), "names no.png"),
        (lambda root: (root / "metadata.csv").write_text("file,caption\n0.jpg,a dog\n"), "file_name"),
        (lambda root: (root / "metadata.jsonl").write_text("{"), "no readable captions"),
    ],
)
def test_what_is_broken_is_named(folder: Path, change: Write, words: str) -> None:
    as_texts(folder)
    change(folder)
    with pytest.raises(UserError, match=words):
        load("folder", f"dataset.root={folder}")
