"""The real COCO layout, on a small folder made here."""

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
def coco_folder(tmp_path: Path) -> Path:
    return make_coco(tmp_path / "coco")


def make_coco(folder: Path, images: int = 4) -> Path:
    """COCO 2014 in small: `images` pictures of different sizes, two captions each."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2014").mkdir()
    rng = np.random.default_rng(0)
    names = [f"COCO_val2014_{i:012d}.jpg" for i in range(1, images + 1)]
    for i, name in enumerate(names):
        pixels = rng.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "val2014" / name)
    data = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": 10 * j + i, "image_id": i, "caption": f"A woman  riding horse {i} again {j}\n"}
            for i in range(images)
            for j in range(2)
        ],
    }
    (folder / "annotations" / "captions_val2014.json").write_text(json.dumps(data))
    return folder


def coco(root: Path | None, *overrides: str, name: str = "coco") -> Dataset:
    return load(name, f"dataset.root={root or 'null'}", *(overrides or ("dataset.limit=null",)))


def pictures(dataset: Dataset) -> torch.Tensor:
    return torch.cat(list(dataset.references(0)))


def test_captions_are_drawn_from_a_seed_one_an_image_first(coco_folder: Path) -> None:
    dataset = coco(coco_folder, "dataset.limit=4")
    first, again, other = dataset.samples(0), dataset.samples(0), coco(coco_folder).samples(1)
    assert first == again
    assert len({s.prompt.split()[4] for s in first}) == 4  # four different images
    assert len(other) == 8 and len({s.prompt for s in other}) == 8
    assert "  " not in first[0].prompt and first[0].prompt == first[0].prompt.strip()
    assert len({s.seed for s in other}) == 8


def test_references_are_squashed_to_256_or_cropped_by_a_config_of_its_own(coco_folder: Path) -> None:
    squashed, cropped = (pictures(coco(coco_folder, "dataset.limit=2", name=name)) for name in ("coco", "coco_crop"))
    assert squashed.shape == cropped.shape == (4, 3, 256, 256) and squashed.dtype == torch.uint8
    assert not torch.equal(squashed, cropped)
    with Image.open(coco_folder / "val2014" / "COCO_val2014_000000000001.jpg") as image:  # 30 x 20 pixels
        middle = image.crop((5, 0, 25, 20)).resize((256, 256), Image.Resampling.BICUBIC)
    assert torch.equal(cropped[0], torch.from_numpy(np.array(middle)).permute(2, 0, 1))
    with pytest.raises(UserError, match="choose one of: none, center"):
        coco(coco_folder, "dataset.crop=left")


def test_bk_sdms_number_of_captions_is_the_default() -> None:
    config = compose_config(["dataset=coco"]).dataset
    assert (config["limit"], config["size"], config["crop"]) == (30_000, 256, "none")


def test_a_missing_root_says_what_is_expected_and_where_to_get_it() -> None:
    with pytest.raises(UserError, match=r"dataset\.root=DIR.*captions_val2014\.json.*cocodataset\.org"):
        coco(None)


def test_broken_folders_name_the_file(coco_folder: Path) -> None:
    with pytest.raises(UserError, match=r"captions_val2014\.json is missing"):
        coco(coco_folder / "val2014")
    with pytest.raises(UserError, match=r"1\.\.8"):
        coco(coco_folder, "dataset.limit=9")
    picture = coco_folder / "val2014" / "COCO_val2014_000000000002.jpg"
    picture.write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"000000000002\.jpg is not a readable image"):
        pictures(coco(coco_folder))
    picture.unlink()
    with pytest.raises(UserError, match=r"000000000002\.jpg is missing \(1 of 4 images\).*obclip data coco"):
        coco(coco_folder)
    captions = coco_folder / "annotations" / "captions_val2014.json"
    whole = captions.read_text()
    for broken in (
        whole[:50],
        "[]",
        whole.replace("image_id", "picture"),
        whole.replace("A woman  riding horse 1 again 0", " "),
        whole.replace('"image_id": 2,', '"image_id": 1,'),
    ):
        captions.write_text(broken)
        with pytest.raises(UserError, match="captions_val2014"):
            coco(coco_folder)


def test_an_unknown_setting_of_a_dataset_is_one_line(coco_folder: Path) -> None:
    with pytest.raises(UserError, match="colour"):
        coco(coco_folder, "+dataset.colour=red")


def test_bksdms_protocol(coco_folder: Path, tmp_path: Path) -> None:
    """Its fixed list of captions in its order, and JPEG for references and images."""
    listed = tmp_path / "metadata.csv"
    listed.write_text('file_name,text\n1.jpg,"a man,  walking"\n2.jpg,None\n3.jpg,1e5\n')
    dataset = coco(coco_folder, "dataset.limit=2", f"dataset.captions={listed}", name="coco_bksdm")
    assert [sample.prompt for sample in dataset.samples(0)] == ["a man, walking", "None"]
    assert not torch.equal(pictures(dataset), pictures(coco(coco_folder)))


def test_wrong_lists_qualities_and_sizes_are_named_before_anything_runs(coco_folder: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    for content in ("", "file_name,words\n1.jpg,a man\n", "file_name,text\n1.jpg,\n"):
        listed.write_text(content)
        with pytest.raises(UserError, match=r"list\.csv"):
            coco(coco_folder, "dataset.limit=2", f"dataset.captions={listed}")
    for wrong in ("jpeg=0", "size=0", "size=-3", "size=abc"):
        with pytest.raises(UserError, match=f"dataset.{wrong}"):
            coco(coco_folder, "dataset.limit=2", f"dataset.{wrong}")
