"""MS-COCO 2014 validation captions and images, brought to 256x256 as BK-SDM's evaluation does.

Source: BK-SDM's protocol (plain resize without crop; all validation images are references).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from obclip_cli.data import Sample
from obclip_cli.errors import UserError

EXPECTED = "annotations/captions_val2014.json and val2014/*.jpg"
SIZE = 256
BATCH = 32


class Coco:
    """A folder in the layout of COCO 2014.

    Args:
        root: the folder that holds `annotations` and `val2014`.
        limit: how many captions, drawn from a seed; null for all.

    Raises:
        UserError: the folder is missing or not in that layout; names what is wrong.
    """

    def __init__(self, name: str, root: str | None, limit: int | None = None) -> None:
        self.name, self.limit = name, limit
        if root is None:
            raise UserError(
                f"dataset coco needs dataset.root=DIR with {EXPECTED}; download the 2014 val images and "
                "annotations from cocodataset.org"
            )
        self.root = Path(root).expanduser()
        self.captions = self._read_captions(self.root / "annotations" / "captions_val2014.json")
        if limit is not None and not 1 <= limit <= len(self.captions):
            raise UserError(f"dataset.limit={limit} must lie in 1..{len(self.captions)}, the number of captions")

    def _read_captions(self, path: Path) -> list[tuple[str, str]]:
        """(image file, caption) of every annotation, ordered by its id."""
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
            raise UserError(f"{path} is not COCO's caption file ({error!r}); download it again") from error
        if empty := [name for name, caption in captions if not caption]:
            raise UserError(f"{path}: the image {empty[0]} has an empty caption; download the file again")
        if not captions:
            raise UserError(f"{path} holds no caption; download it again")
        return captions

    def samples(self, seed: int) -> list[Sample]:
        """`limit` captions of different images where possible, in an order drawn from `seed`."""
        order = np.random.default_rng(seed).permutation(len(self.captions))
        first_of_image: dict[str, int] = {}
        for place in order:
            first_of_image.setdefault(self.captions[place][0], int(place))
        distinct = list(first_of_image.values())
        taken = set(distinct)
        places = distinct + [int(place) for place in order if int(place) not in taken]
        count = self.limit or len(places)
        return [Sample(self.captions[place][1], seed * 1_000_000 + i) for i, place in enumerate(places[:count])]

    def references(self) -> Iterator[torch.Tensor]:
        """All images that are named in the annotations, squashed to (n, 3, 256, 256).

        Raises:
            UserError: an image is missing or broken.
        """
        names = sorted({name for name, _ in self.captions})
        for start in range(0, len(names), BATCH):
            yield torch.stack([self._read_image(name) for name in names[start : start + BATCH]])

    def _read_image(self, name: str) -> torch.Tensor:
        path = self.root / "val2014" / name
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing; dataset.root must hold {EXPECTED}") from error
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"{path} is not a readable image; download it again") from error
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
