"""MJHQ-30K's layout, on a small folder made here."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from obclip_cli.compose import compose_config
from obclip_cli.data import Dataset
from obclip_cli.errors import UserError
from tests.data import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    entries = {}
    for i in range(6):
        category = ("animals", "people")[i % 2]
        (tmp_path / category).mkdir(exist_ok=True)
        entries[f"{i:040x}"] = {"category": category, "prompt": f"picture  of thing {i}\n"}
        pixels = rng.integers(0, 255, (40, 40 + i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / category / f"{i:040x}.jpg")
    (tmp_path / "meta_data.json").write_text(json.dumps(entries))
    return tmp_path


def mjhq(root: Path | None, *overrides: str) -> Dataset:
    return load("mjhq", f"dataset.root={root or 'null'}", *(overrides or ("dataset.limit=4",)))


def test_the_papers_number_and_size_are_the_default() -> None:
    config = compose_config(["dataset=mjhq"]).dataset
    assert (config["limit"], config["size"]) == (5000, 1024)


def test_prompts_are_drawn_from_a_seed(folder: Path) -> None:
    dataset = mjhq(folder)
    first, other = dataset.samples(0), dataset.samples(1)
    assert first == dataset.samples(0) != other
    assert len({s.prompt for s in first}) == 4 and all(s.prompt.startswith("picture of thing") for s in first)


def test_all_images_are_references_at_one_size(folder: Path) -> None:
    images = torch.cat(list(mjhq(folder, "dataset.limit=2", "dataset.size=64").references(0)))
    assert images.shape == (6, 3, 64, 64) and images.dtype == torch.uint8


@pytest.mark.parametrize("place", ["mjhq30k_imgs", "imgs"])
def test_images_are_found_where_people_unpack_them(folder: Path, place: str) -> None:
    (folder / place).mkdir()
    for category in ("animals", "people"):
        (folder / category).rename(folder / place / category)
    assert len(torch.cat(list(mjhq(folder, "dataset.size=64", "dataset.limit=4").references(0)))) == 6
    inner = folder.with_name(f"{folder.name}-clone") / "MJHQ-30K"
    inner.parent.mkdir()
    folder.rename(inner)
    assert len(mjhq(inner.parent).samples(0)) == 4


def test_references_can_be_those_of_the_prompts(folder: Path) -> None:
    dataset = mjhq(folder, "dataset.limit=2", "dataset.references=same", "dataset.size=64")
    names = {Path(name).stem for name in dataset.references(3).names}
    wanted = {sample.prompt for sample in dataset.samples(3)}
    content = json.loads((folder / "meta_data.json").read_text())
    assert {" ".join(content[name]["prompt"].split()) for name in names} == wanted
    with pytest.raises(UserError, match=r"dataset\.references=som.*same"):
        mjhq(folder, "dataset.references=som", "dataset.limit=2")


def test_broken_folders_name_the_file(folder: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.root=DIR.*meta_data\.json.*playgroundai"):
        mjhq(None)
    with pytest.raises(UserError, match=r"meta_data\.json is missing"):
        mjhq(folder / "animals")
    with pytest.raises(UserError, match=r"1\.\.6"):
        mjhq(folder, "dataset.limit=7")
    picture = next((folder / "people").iterdir())
    picture.write_bytes(b"not an image")
    with pytest.raises(UserError, match=rf"{picture.name} is not a readable image"):
        list(mjhq(folder).references(0))
    picture.unlink()
    with pytest.raises(UserError, match=rf"{picture.name} is missing \(1 of 6 images\)"):
        mjhq(folder)
    metadata = folder / "meta_data.json"
    whole = metadata.read_text()
    for broken in (
        whole[:50],
        "[]",
        "{}",
        whole.replace("category", "kind"),
        whole.replace("thing 3", "").replace("picture  of \\n", " "),
    ):
        metadata.write_text(broken)
        with pytest.raises(UserError, match="meta_data"):
            mjhq(folder)
