"""The images of a run on disk: one PNG an image, written whole or not at all, read when it is needed."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError

from obclip_cli.data.pictures import as_tensor
from obclip_cli.errors import UserError
from obclip_cli.runs import write_bytes

AGAIN = "delete it and type the same command again"


@dataclass(frozen=True)
class StoredImages:
    """Images of one method; slices and batches are read from disk.

    Attributes:
        folder: holds 000000.png and so on.
        count: how many there are.
        places: which of the folder's images they are, in this order; None for the first ones.
    """

    folder: Path
    count: int
    places: tuple[int, ...] | None = None

    def at(self, places: list[int]) -> "StoredImages":
        """Some of the images, in this order."""
        own = range(self.count) if self.places is None else self.places
        return StoredImages(self.folder, len(places), tuple(own[place] for place in places))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int | slice) -> torch.Tensor:
        """One image (3, H, W) or several (n, 3, H, W), uint8.

        Raises:
            UserError: a file is missing, broken or of another size than its neighbours.
        """
        if isinstance(place, int):
            return self._read(range(self.count)[place])
        places = range(self.count)[place]
        images = [self._read(index) for index in places]
        for index, image in zip(places, images, strict=True):
            if image.shape != self._first_shape:
                size, first = ("x".join(str(side) for side in shape[1:]) for shape in (image.shape, self._first_shape))
                raise UserError(f"{self.path(index)} has {size} pixels, the first of its folder {first}; {AGAIN}")
        return torch.stack(images)

    @cached_property
    def _first_shape(self) -> torch.Size:
        return self._read(0).shape

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """All images in order, (n, 3, H, W) with n up to `size`."""
        for start in range(0, self.count, size):
            yield self[start : start + size]

    def path(self, index: int) -> Path:
        """The file of one image."""
        return self.folder / f"{index if self.places is None else self.places[index]:06d}.png"

    def write(self, index: int, image: torch.Tensor) -> None:
        """Store one uint8 image (3, H, W)."""
        content = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(content, format="png")
        write_bytes(self.path(index), content.getvalue())

    def has(self, index: int) -> bool:
        """Whether an image is finished."""
        return self.path(index).exists()

    @property
    def are_complete(self) -> bool:
        """Whether all are finished."""
        return all(self.has(index) for index in range(self.count))

    def _read(self, index: int) -> torch.Tensor:
        path = self.path(index)
        try:
            with Image.open(path) as image:
                return as_tensor(image.convert("RGB"))
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing; type the same command again, with the same folder") from error
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"{path} is not a readable image; {AGAIN}") from error


def stored_images(folder: Path, methods: list[str], count: int) -> dict[str, StoredImages]:
    """Where the images of each method lie inside a run folder."""
    return {name: StoredImages(folder / "images" / slug(name), count) for name in methods}


def slug(name: str) -> str:
    """A method's name as a folder name: "ObCLIP, k=5" -> "obclip-k-5"."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
