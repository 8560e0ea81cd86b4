"""MS-COCO 2014 validation captions and images, brought to 256x256 as BK-SDM's evaluation does.

Source: BK-SDM's protocol (plain resize without crop; all validation images are references). It further takes a fixed
list of 30,000 captions and codes every image as JPEG; `captions` and `jpeg` do the same (configs/dataset/coco_bksdm).
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from obclip_cli.data import Sample
from obclip_cli.data.pictures import Pictures, check_crop, check_jpeg, check_size
from obclip_cli.errors import UserError

EXPECTED = "annotations/captions_val2014.json and val2014/*.jpg"
CAPTIONS, IMAGES = Path("annotations") / "captions_val2014.json", Path("val2014")


class Coco:
    """A folder in the layout of COCO 2014.

    Args:
        root: the folder that holds `annotations` and `val2014`.
        limit: how many captions, drawn from a seed; null for all.
        size: height and width at which generated images and references are scored.
        crop: none squashes references to a square (BK-SDM); center cuts their borders off.
        captions: a CSV file with columns file_name and text (BK-SDM's metadata.csv), whose rows are the prompts in
            their order; null draws them from the annotations.
        jpeg: quality at which references and generated images are coded before they are scored (BK-SDM: 75).

    Raises:
        UserError: the folder is missing or not in that layout; names what is wrong.
    """

    def __init__(
        self,
        name: str,
        root: str | None,
        limit: int | None = None,
        size: int = 256,
        crop: str = "none",
        captions: str | None = None,
        jpeg: int | None = None,
    ) -> None:
        self.name, self.limit, self.size, self.crop, self.jpeg = name, limit, size, crop, jpeg
        check_crop(crop)
        check_jpeg(jpeg)
        check_size(size)
        if root is None:
            raise UserError(
                f"dataset {name} needs dataset.root=DIR with {EXPECTED}; `obclip data coco --root DIR` downloads the "
                "2014 val images and annotations from cocodataset.org"
            )
        self.root = Path(root).expanduser()
        self.captions = read_captions(self.root / CAPTIONS)
        check_images(self.root, sorted({name for name, _ in self.captions}))
        self.listed = None if captions is None else read_list(Path(captions).expanduser())
        most = len(self.captions if self.listed is None else self.listed)
        if limit is not None and not 1 <= limit <= most:
            raise UserError(f"dataset.limit={limit} must lie in 1..{most}, the number of captions")

    def samples(self, seed: int) -> list[Sample]:
        """`limit` captions of different images where possible, in an order drawn from `seed`; or the listed ones."""
        if self.listed is not None:
            return [Sample(caption, seed * 1_000_000 + i) for i, caption in enumerate(self.listed[: self.limit])]
        order = np.random.default_rng(seed).permutation(len(self.captions))
        first_of_image: dict[str, int] = {}
        for place in order:
            first_of_image.setdefault(self.captions[place][0], int(place))
        distinct = list(first_of_image.values())
        taken = set(distinct)
        places = distinct + [int(place) for place in order if int(place) not in taken]
        count = self.limit or len(places)
        return [Sample(self.captions[place][1], seed * 1_000_000 + i) for i, place in enumerate(places[:count])]

    def references(self, seed: int) -> Pictures:
        """All images that are named in the annotations, (n, 3, size, size)."""
        paths = sorted({str(self.root / IMAGES / name) for name, _ in self.captions})
        return Pictures(tuple(paths), lambda path: Path(path).read_bytes(), self.size, self.crop, self.jpeg)


def read_captions(path: Path) -> list[tuple[str, str]]:
    """(image file, caption) of every annotation, ordered by its id.

    Raises:
        UserError: the file is missing or is not COCO's; an image has no caption.
    """
    if not path.exists():
        raise UserError(
            f"{path} is missing; dataset.root must hold {EXPECTED}, to be had from cocodataset.org (2014 val)"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        captions = _captions(data)
        files = {image["file_name"] for image in data["images"]}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not COCO's caption file ({error!r}); download it again") from error
    if empty := [name for name, caption in captions if not caption]:
        raise UserError(f"{path}: the image {empty[0]} has an empty caption; download the file again")
    if without := sorted(files - {name for name, _ in captions}):
        raise UserError(f"{path}: the image {without[0]} has no caption; download the file again")
    if not captions:
        raise UserError(f"{path} holds no caption; download it again")
    return captions


def read_list(path: Path) -> list[str]:
    """The prompts of a CSV file with the columns file_name and text, in its order.

    Raises:
        UserError: the file is missing, has no such column, or a row without text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
            prompts = [" ".join(row["text"].split()) for row in rows]
    except (OSError, UnicodeDecodeError, KeyError, AttributeError, csv.Error) as error:
        raise UserError(
            f"dataset.captions={path} is not a CSV file with columns file_name and text ({error!r}); name BK-SDM's "
            "metadata.csv"
        ) from error
    if not prompts or not all(prompts):
        raise UserError(f"dataset.captions={path} holds no text in row {prompts.index('') + 1 if prompts else 1}")
    return prompts


def _captions(data: dict[str, Any]) -> list[tuple[str, str]]:
    files = {image["id"]: image["file_name"] for image in data["images"]}
    rows = sorted(data["annotations"], key=lambda row: row["id"])
    return [(files[row["image_id"]], " ".join(row["caption"].split())) for row in rows]


def check_images(root: Path, names: list[str]) -> None:
    """Every annotated image must be there.

    Raises:
        UserError: names the first that is missing, and how many are.
    """
    folder = root / IMAGES
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if missing := [name for name in names if name not in there]:
        raise UserError(
            f"{folder / missing[0]} is missing ({len(missing)} of {len(names)} images); dataset.root must hold "
            f"{EXPECTED}, and `obclip data coco --root {root}` downloads what is not there"
        )
