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


def stored(image: Image.Image, kind: str = "png", **options: object) -> Image.Image:
    content = io.BytesIO()
    image.save(content, format=kind, **options)
    return Image.open(io.BytesIO(content.getvalue()))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    found = np.asarray(as_rgb(stored(deep)))
    assert (found == GREY[..., None]).all()


def test_transparency_lies_on_white() -> None:
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[:4, :, 3] = 255  # the upper half is black, the lower half nothing
    found = np.asarray(as_rgb(stored(Image.fromarray(pixels))))
    assert (found[:4] == 0).all() and (found[4:] == 255).all()


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.fromarray(np.repeat([[0, 1]], 4, axis=0).astype(np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    found = np.asarray(as_rgb(stored(image, transparency=1)))
    assert (found[:, 0] == (255, 0, 0)).all() and (found[:, 1] == 255).all()


def test_a_picture_lies_upright_by_its_orientation() -> None:
    pixels = np.zeros((8, 16, 3), dtype=np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    found = np.asarray(as_rgb(stored(Image.fromarray(pixels), "png", exif=exif)))
    assert found.shape == (16, 8, 3) and (found[:8] == 255).all() and (found[8:] == 0).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr"])
def test_other_modes_are_converted(mode: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    found = as_rgb(stored(image, "tiff" if mode == "CMYK" else "jpeg" if mode == "YCbCr" else "png"))
    assert found.mode == "RGB" and len(set(np.asarray(found)[..., 0].flat)) > 1


def test_pictures_and_generated_images_are_coded_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    plain, coded = (Pictures(("a.png",), lambda name: (tmp_path / name).read_bytes(), jpeg=q) for q in (None, 75))
    generated = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    assert torch.equal(next(iter(plain)), generated)
    assert torch.equal(next(iter(coded)), scored_as(generated, None, 75))
    assert not torch.equal(next(iter(coded)), generated)
    assert plain.preprocessing != coded.preprocessing


def test_a_folder_in_place_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UserError, match=r"a\.png is not a readable image"):
        list(folder_of_pictures(tmp_path))
