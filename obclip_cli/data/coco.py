"""MS-COCO 2014 validation captions and images, brought to 256x256 as BK-SDM's evaluation does.

Source: BK-SDM's protocol (plain resize without crop; all validation images are references). It further takes a fixed
list of 30,000 captions and codes every image as JPEG; `captions` and `jpeg` do the same (configs/dataset/coco_bksdm).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.pictures import Pictures, check_pictures
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
        check_pictures(size, crop, jpeg)
        if root is None:
            raise UserError(
                f"dataset {name} needs dataset.root=DIR with {EXPECTED}; `obclip data coco --root DIR` downloads the "
                "2014 val images and annotations from cocodataset.org"
            )
        self.root = Path(root).expanduser()
        self.captions = read_captions(self.root / CAPTIONS)
        self.files = sorted({name for name, _ in self.captions})
        check_images(self.root, self.files)
        self.listed = None if captions is None else read_list(Path(captions).expanduser())
        most = len(self.captions if self.listed is None else self.listed)
        if limit is not None and not 1 <= limit <= most:
            raise UserError(f"dataset.limit={limit} must lie in 1..{most}, the number of captions")

    def samples(self, seed: int) -> list[Sample]:
        """`limit` captions of different images where possible, in an order drawn from `seed`; or the listed ones."""
        if self.listed is not None:
            return samples_of(self.listed[: self.limit], seed)
        order = np.random.default_rng(seed).permutation(len(self.captions))
        drawn = pd.DataFrame(self.captions, columns=["file", "caption"]).iloc[order]
        again = drawn["file"].duplicated()
        return samples_of([*drawn["caption"][~again], *drawn["caption"][again]][: self.limit], seed)

    def references(self, seed: int) -> Pictures:
        """All images that are named in the annotations, (n, 3, size, size)."""
        paths = tuple(str(self.root / IMAGES / name) for name in self.files)
        return Pictures(paths, size=self.size, crop=self.crop, jpeg=self.jpeg)


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
        files = {image["id"]: image["file_name"] for image in data["images"]}
        rows = sorted(data["annotations"], key=lambda row: row["id"])
        captions = [(files[row["image_id"]], " ".join(row["caption"].split())) for row in rows]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not COCO's caption file; download it again") from error
    if empty := [name for name, caption in captions if not caption]:
        raise UserError(f"{path}: the image {empty[0]} has an empty caption; download the file again")
    if without := sorted(set(files.values()) - {name for name, _ in captions}):
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
        texts = pd.read_csv(path, encoding="utf-8-sig", dtype=str, keep_default_na=False)["text"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"dataset.captions={path} is not a CSV file with columns file_name and text; name BK-SDM's metadata.csv"
        ) from error
    prompts = [" ".join(text.split()) for text in texts]
    if not prompts or not all(prompts):
        raise UserError(f"dataset.captions={path} holds no text in row {prompts.index('') + 1 if prompts else 1}")
    return prompts


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
