"""What stands behind a grid of images, and how it is counted and framed."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from PIL import Image

from obclip_cli.data import Sample
from obclip_cli.metrics.features import Features
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.reproduction import grids


class Reader:
    """Reads the gender from the red of a picture's first pixel, and the tone from its green."""

    labels: ClassVar = {"gender": ["female", "male"], "tone": ["light", "dark"], "role": ["cook"], "age": ["old"]}

    def extract(self, images: torch.Tensor) -> Features:
        values = images[:, :2, 0, 0].float()
        logits = {name: torch.stack([1 - values[:, i], values[:, i]], 1) for i, name in enumerate(("gender", "tone"))}
        return Features(values, values, values, {**logits, "role": values[:, :1], "age": values[:, :1]})


def picture(red: int, green: int) -> torch.Tensor:
    return torch.tensor([red, green, 0], dtype=torch.uint8).reshape(3, 1, 1).expand(3, 2, 2)


MADE = grids.Images(
    {
        "ours": torch.stack([picture(1, 0), picture(0, 0)]),
        "theirs": torch.stack([picture(0, 1), picture(0, 1)]),
        "noise": torch.stack([picture(1, 1), picture(1, 1)]),
    },
    [Sample("a man with light skin", 7, {"gender": "male", "tone": "light"}), Sample("a man", 8, {"gender": "male"})],
    ["first", "second"],
    unread=("noise",),
)


def test_readings_say_what_is_read_and_whether_it_was_asked_for() -> None:
    table = grids.readings(MADE, Reader())  # type: ignore[arg-type]
    assert grids.judged(table) == ["gender", "tone"]  # nobody asked for an age, and roles are not read
    by_place = table.set_index(["row", "place"])
    first, second = by_place.loc[("ours", 0)], by_place.loc[("ours", 1)]
    assert (first["seed"], first["gender_read"], first["gender_right"], first["tone_right"]) == (7, "male", True, True)
    assert (second["gender_read"], second["gender_right"], second["tone_right"]) == ("female", False, None)
    assert by_place.loc[("theirs", 0), "tone_read"] == "dark" and not by_place.loc[("theirs", 0), "tone_right"]
    assert by_place.loc["noise", ["gender_read", "gender_right"]].isna().all(axis=None)


def test_right_images_are_counted_row_by_row() -> None:
    text = grids.right_shares(grids.readings(MADE, Reader()))  # type: ignore[arg-type]
    assert text == "Read right by the judge: ours: gender 1/2, tone 1/1; theirs: gender 0/2, tone 0/1."
    assert "no attribute" in grids.right_shares(pd.DataFrame([{"row": "ours", "place": 0}]))


def test_a_grid_is_drawn_from_what_is_stored(tmp_path: Path) -> None:
    grid = grids.Grid(tmp_path, grids.readings(MADE, Reader()))  # type: ignore[arg-type]
    for name, images in MADE.rows.items():
        stored = grids.StoredImages(tmp_path / "images" / name, 2)
        for place, image in enumerate(images):
            stored.write(place, image)
    grids.write(grid, tmp_path, "shown", title="Title", caption="Caption.", count=1)
    table = pd.read_csv(tmp_path / "shown.csv")
    assert list(table["row"]) == ["ours", "theirs", "noise"] and "place" not in table
    assert set(table["column"]) == {"first"}
    assert (tmp_path / "shown.md").read_text().startswith("Caption.")


def test_only_wrong_images_are_framed_in_red(tmp_path: Path) -> None:
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    reds = []
    for place, good in enumerate((True, False, None)):
        path = tmp_path / f"{place}.png"
        plot_grid(path, {"row": white}, ["column"], right={"row": [good]}, title="Title")
        reds.append(int((np.asarray(Image.open(path).convert("RGB")) == (0xD1, 0x34, 0x2F)).all(axis=2).sum()))
    assert reds[0] == reds[2] == 0 and reds[1] > 100
