"""Picture files, brought to one size, in batches: what references of every dataset are made of."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from obclip_cli.errors import UserError
from obclip_cli.runs import digest_of

BATCH = 64
CROPS = ("none", "center")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Pictures:
    """Pictures that are read when they are needed; iterating gives uint8 batches (n, 3, H, W).

    Attributes:
        names: what each is called in errors.
        read: the bytes of one by its name; FileNotFoundError where there is none.
        size: height and width to bring them to; None leaves them as they are.
        crop: none squashes them to a square; center takes the largest square in the middle first.
    """

    names: tuple[str, ...]
    read: Callable[[str], bytes]
    size: int | None = None
    crop: str = "none"

    def __iter__(self) -> Iterator[torch.Tensor]:
        for start in range(0, len(self.names), BATCH):
            pictures = [self._picture(name) for name in self.names[start : start + BATCH]]
            for name, picture in zip(self.names[start:], pictures, strict=False):
                if picture.shape != pictures[0].shape:
                    raise UserError(f"{name} has another size than {self.names[start]}; give images of one size")
            yield torch.stack(pictures)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def preprocessing(self) -> str:
        """What is done to the pictures, in words that a cache can be keyed by."""
        return f"RGB, bicubic, size {self.size}, crop {self.crop}"

    def digest(self) -> str:
        """Digest of all names and contents."""
        return digest_of(part for name in self.names for part in (Path(name).name, self._content(name)))

    def _content(self, name: str) -> bytes:
        try:
            return self.read(name)
        except (FileNotFoundError, KeyError) as error:
            raise UserError(f"{name} is missing; download it again") from error

    def _picture(self, name: str) -> torch.Tensor:
        try:
            with Image.open(io.BytesIO(self._content(name))) as image:
                return as_tensor(brought_to(image.convert("RGB"), self.size, self.crop))
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"{name} is not a readable image; download it again") from error


def brought_to(image: Image.Image, size: int | None, crop: str) -> Image.Image:
    """An image at (size, size), with or without its borders."""
    if crop == "center":
        side = min(image.size)
        left, top = ((whole - side) // 2 for whole in image.size)
        image = image.crop((left, top, left + side, top + side))
    return image if size is None else image.resize((size, size), Image.Resampling.BICUBIC)


def as_tensor(image: Image.Image) -> torch.Tensor:
    """uint8 (3, H, W)."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)


def resized(images: torch.Tensor, size: int | None) -> torch.Tensor:
    """Generated uint8 images (n, 3, H, W) at the size of the references, resized as these are."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    return torch.stack([as_tensor(brought_to(picture, size, "none")) for picture in pictures])


def folder_of_pictures(root: Path, size: int | None = None, crop: str = "none") -> Pictures:
    """All pictures anywhere in a folder, in the order of their names.

    Raises:
        UserError: there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root} with reference images")
    names = sorted(str(path) for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not names:
        raise UserError(f"{root} holds no picture ({', '.join(SUFFIXES)})")
    return Pictures(tuple(names), lambda name: Path(name).read_bytes(), size, crop)


def check_crop(crop: str) -> None:
    """Refuse an unknown crop.

    Raises:
        UserError: names the ones there are.
    """
    if crop not in CROPS:
        raise UserError(f"dataset.crop={crop} is not known; choose one of: {', '.join(CROPS)}")
