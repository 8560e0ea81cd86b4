"""Picture files, brought to one size, in batches: what references of every dataset are made of.

Whatever a file holds becomes 8-bit RGB in one way, `as_rgb`: turned as its EXIF says, transparency on white, 16-bit
grey scaled to 8 bits, palettes and CMYK converted.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from obclip_cli.errors import UserError
from obclip_cli.runs import digest_of

BATCH = 64
CROPS = ("none", "center")
BROKEN = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of 16-bit grey, by version and byte order


@dataclass(frozen=True)
class Pictures:
    """Pictures that are read when they are needed; iterating gives uint8 batches (n, 3, H, W).

    Attributes:
        names: paths, or what `read` knows them by; named in errors.
        read: the bytes of one by its name; FileNotFoundError or KeyError where there is none.
        size: height and width to bring them to; None leaves them as they are.
        crop: none squashes them to a square; center takes the largest square in the middle first.
        jpeg: quality at which each is coded as JPEG once more, as BK-SDM's evaluation does; None: not at all.
    """

    names: tuple[str, ...]
    read: Callable[[str], bytes] = lambda name: Path(name).read_bytes()
    size: int | None = None
    crop: str = "none"
    jpeg: int | None = None

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
        return f"as_rgb, bicubic, size {self.size}, crop {self.crop}, jpeg {self.jpeg}"

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
                return as_tensor(coded(brought_to(as_rgb(image), self.size, self.crop), self.jpeg))
        except BROKEN as error:
            raise UserError(f"{name} is not a readable image; download it again") from error


def read_picture(path: Path) -> Image.Image:
    """The picture in a file, as 8-bit RGB.

    Raises:
        UserError: there is none, or it is broken.
    """
    try:
        with Image.open(path) as image:
            return as_rgb(image)
    except FileNotFoundError as error:
        raise UserError(f"there is no picture {path}; give a file that exists") from error
    except BROKEN as error:
        raise UserError(f"{path} is not a readable picture; give a PNG, JPEG or WebP file") from error


def as_rgb(image: Image.Image) -> Image.Image:
    """Any picture as 8-bit RGB: upright by its EXIF orientation, transparency on white, 16 bits scaled to 8."""
    image = ImageOps.exif_transpose(image)
    if image.mode in SIXTEEN_BITS:  # convert() would clip everything above 255 to white
        pixels = np.asarray(image).astype(np.uint32) // 257
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def coded(image: Image.Image, quality: int | None) -> Image.Image:
    """An RGB image as it looks after JPEG at this quality; None leaves it as it is."""
    if quality is None:
        return image
    content = io.BytesIO()
    image.save(content, format="jpeg", quality=quality)
    with Image.open(content) as read:
        return read.convert("RGB")


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


def scored_as(images: torch.Tensor, size: int | None, jpeg: int | None = None) -> torch.Tensor:
    """Generated uint8 images (n, 3, H, W) as they are scored: resized, and coded as JPEG, as the references are."""
    if jpeg is None and (size is None or images.shape[-2:] == (size, size)):
        return images
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    return torch.stack([as_tensor(coded(brought_to(picture, size, "none"), jpeg)) for picture in pictures])


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
    return Pictures(tuple(names), size=size, crop=crop)


def check_pictures(size: int | None, crop: str = "none", jpeg: int | None = None) -> None:
    """Refuse settings with which no image can be scored, before any is made.

    Raises:
        UserError: an unknown crop, a JPEG quality outside 1..100, or a size that is no whole number in 8..4096.
    """
    if crop not in CROPS:
        raise UserError(f"dataset.crop={crop} is not known; choose one of: {', '.join(CROPS)}")
    if jpeg is not None and not 1 <= jpeg <= 100:
        raise UserError(f"dataset.jpeg={jpeg} must lie in 1..100, or be null; BK-SDM codes at 75")
    if size is not None and not (isinstance(size, int) and 8 <= size <= 4096):
        raise UserError(f"dataset.size={size} must be a whole number of pixels in 8..4096, or null")
