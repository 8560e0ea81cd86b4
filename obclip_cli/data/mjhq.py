"""MJHQ-30K: Midjourney images with their prompts, in ten categories (playgroundai/MJHQ-30K on the Hugging Face hub)."""

import json
from pathlib import Path

import numpy as np

from obclip_cli.data import Sample
from obclip_cli.data.pictures import Pictures
from obclip_cli.errors import UserError

EXPECTED = "meta_data.json and one folder a category, with ID.jpg for every entry (mjhq30k_imgs.zip, unpacked)"


class Mjhq:
    """A folder with MJHQ-30K's `meta_data.json` and its unpacked images.

    Args:
        root: the folder, or null to be told what is needed.
        limit: how many prompts, drawn from a seed; null for all.
        size: height and width at which generated images and references are scored.

    Raises:
        UserError: the folder is missing or not in that layout; names the file.
    """

    def __init__(self, name: str, root: str | None, limit: int | None = 5000, size: int = 1024) -> None:
        self.name, self.limit, self.size = name, limit, size
        if root is None:
            raise UserError(
                f"dataset {name} needs dataset.root=DIR with {EXPECTED}; get both files by "
                "`hf download playgroundai/MJHQ-30K --repo-type dataset --local-dir DIR`"
            )
        self.root = Path(root).expanduser()
        self.entries = read_entries(self.root)
        if limit is not None and not 1 <= limit <= len(self.entries):
            raise UserError(f"dataset.limit={limit} must lie in 1..{len(self.entries)}, the number of prompts")

    def samples(self, seed: int) -> list[Sample]:
        """`limit` prompts in an order drawn from `seed`."""
        order = np.random.default_rng(seed).permutation(len(self.entries))[: self.limit]
        return [Sample(self.entries[place][1], seed * 1_000_000 + i) for i, place in enumerate(order)]

    def references(self) -> Pictures:
        """All images of the metadata, whatever `limit` is, (n, 3, size, size)."""
        paths = tuple(str(self.root / file) for file, _ in self.entries)
        return Pictures(paths, lambda path: Path(path).read_bytes(), self.size)


def read_entries(root: Path) -> list[tuple[str, str]]:
    """(image file relative to the root, prompt) of every entry, in the order of their ids.

    Raises:
        UserError: the metadata or an image is missing or broken.
    """
    path = root / "meta_data.json"
    if not path.exists():
        raise UserError(f"{path} is missing; dataset.root must hold {EXPECTED}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = [
            (f"{entry['category']}/{name}.jpg", " ".join(entry["prompt"].split()))
            for name, entry in sorted(content.items())
        ]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not MJHQ-30K's metadata ({error!r}); download it again") from error
    if not entries:
        raise UserError(f"{path} holds no prompt; download it again")
    if empty := [file for file, prompt in entries if not prompt]:
        raise UserError(f"{path}: the image {empty[0]} has no prompt; download the file again")
    there = {f"{file.parent.name}/{file.name}" for file in root.glob("*/*.jpg")}
    if missing := [file for file, _ in entries if file not in there]:
        raise UserError(
            f"{root / missing[0]} is missing ({len(missing)} of {len(entries)} images); "
            f"dataset.root must hold {EXPECTED}"
        )
    return entries
