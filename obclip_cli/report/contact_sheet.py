"""One picture of a generation, drawn by Pillow: the image, and all that the cloud sent back."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from obclip_cli.runs import write_bytes

TILE, GAP, MARGIN = 170, 14, 18  # pixels
ACROSS = 6  # tiles
SMALL, LARGE = 12, 15  # of letters
LETTERS = 27  # a line under a tile
PAPER, INK, GREY = "white", "#222222", "#777777"


@dataclass(frozen=True)
class Strip:
    """Tiles under one heading.

    Attributes:
        tiles: (caption, images side by side), such as a latent and the image that it foretells.
    """

    heading: str
    tiles: Sequence[tuple[str, Sequence[Image.Image]]]

    @property
    def width(self) -> int:
        """Images of the widest tile."""
        return max((len(images) for _, images in self.tiles), default=1)


def write_contact_sheet(path: Path, *, title: str, strips: Sequence[Strip]) -> None:
    """Draw the strips below each other, every tile above its caption.

    Raises:
        UserError: it cannot be written, or the disk is full.
    """
    strips = [strip for strip in strips if strip.tiles]
    width = 2 * MARGIN + ACROSS * (TILE + GAP) - GAP
    sheet = Image.new("RGB", (width, sum(map(_most, strips)) + 40 * len(title) // 10 + 200), PAPER)
    y = _text(sheet, (MARGIN, MARGIN), title, letters=width // 9, size=LARGE) + GAP
    for strip in strips:
        y = _text(sheet, (MARGIN, y), strip.heading, letters=width // 7, size=SMALL, colour=GREY) + GAP // 2
        columns = max(1, ACROSS // strip.width)
        for first in range(0, len(strip.tiles), columns):
            y = _row(sheet, y, strip.tiles[first : first + columns], strip.width) + GAP
    content = io.BytesIO()
    sheet.crop((0, 0, width, y + MARGIN - GAP)).save(content, format="png")
    write_bytes(path, content.getvalue())


def _most(strip: Strip) -> int:
    """More than the height of a strip."""
    caption = max(len(caption) for caption, _ in strip.tiles)
    rows = len(strip.tiles) // max(1, ACROSS // strip.width) + 1
    return rows * (TILE + 2 * GAP + (SMALL + 4) * (caption // 9 + 2)) + (SMALL + 4) * (len(strip.heading) // 60 + 3)


def enlarged(image: Image.Image, side: int) -> Image.Image:
    """At least `side` pixels wide, by a whole factor and without blur, so that its own pixels stay visible."""
    factor = max(1, -(-side // image.width))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _row(sheet: Image.Image, y: int, tiles: Sequence[tuple[str, Sequence[Image.Image]]], images: int) -> int:
    """Draw one row of tiles; where the next may begin."""
    below = y
    for place, (caption, shown) in enumerate(tiles):
        x = MARGIN + place * images * (TILE + GAP)
        for number, image in enumerate(shown):
            tile = image.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
            sheet.paste(tile, (x + number * (TILE + 4), y))
        end = _text(sheet, (x, y + TILE + 4), caption, letters=LETTERS * images, size=SMALL)
        below = max(below, end)
    return below


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _text(sheet: Image.Image, corner: tuple[int, int], text: str, *, letters: int, size: int, colour: str = INK) -> int:
    """Write wrapped text; where it ends."""
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, letters) or [""]]
    font = _font(size)
    for number, line in enumerate(lines):
        place = (corner[0], corner[1] + number * (size + 4))
        ImageDraw.Draw(sheet).text(place, line, fill=colour, font=font)
    return corner[1] + len(lines) * (size + 4)
