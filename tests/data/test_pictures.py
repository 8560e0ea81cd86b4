"""Every kind of picture file becomes the same 8-bit RGB."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from obclip_cli.data.pictures import Pictures, as_rgb, folder_of_pictures, scored_as
from obclip_cli.errors import UserError

GREY = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)


def read(image: Image.Image, kind: str = "png", **options: object) -> np.ndarray:
    """What `as_rgb` makes of an image that was stored."""
    content = io.BytesIO()
    image.save(content, format=kind, **options)
    found = as_rgb(Image.open(content))
    assert found.mode == "RGB"
    return np.asarray(found)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    assert (read(Image.fromarray(GREY.astype(np.uint16) * 257)) == GREY[..., None]).all()


def test_transparency_lies_on_white() -> None:
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:4, :, 3] = 255  # the upper half is black, the lower half nothing
    found = read(Image.fromarray(pixels))
    assert (found[:4] == 0).all() and (found[4:] == 255).all()


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.fromarray(np.repeat([[0, 1]], 4, axis=0).astype(np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    found = read(image, transparency=1)
    assert (found[:, 0] == (255, 0, 0)).all() and (found[:, 1] == 255).all()


def test_a_picture_lies_upright_by_its_orientation() -> None:
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    found = read(Image.fromarray(pixels), exif=exif)
    assert found.shape == (16, 8, 3) and (found[:8] == 255).all() and (found[8:] == 0).all()


@pytest.mark.parametrize(
    ("mode", "kind"), [("1", "png"), ("L", "png"), ("LA", "png"), ("CMYK", "tiff"), ("YCbCr", "jpeg")]
)
def test_other_modes_are_converted(mode: str, kind: str) -> None:
    assert len(set(read(Image.fromarray(GREY).convert(mode), kind)[..., 0].flat)) > 1


def test_pictures_and_generated_images_are_coded_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    plain, coded = (Pictures((str(tmp_path / "a.png"),), jpeg=quality) for quality in (None, 75))
    generated = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    assert torch.equal(next(iter(plain)), generated)
    assert torch.equal(next(iter(coded)), scored_as(generated, None, 75))
    assert not torch.equal(next(iter(coded)), generated)
    assert plain.preprocessing != coded.preprocessing


def test_a_folder_in_place_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UserError, match=r"a\.png is not a readable image"):
        list(folder_of_pictures(tmp_path))
