"""MJHQ-30K: Midjourney images with their prompts, in ten categories (playgroundai/MJHQ-30K on the Hugging Face hub)."""

import json
from pathlib import Path

import numpy as np

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.pictures import Pictures, check_pictures
from obclip_cli.errors import UserError, nearest

EXPECTED = "meta_data.json and one folder a category, with ID.jpg for every entry (mjhq30k_imgs.zip, unpacked)"
# Where people unpack the archive, relative to the folder of the metadata; the metadata may lie one folder deeper too.
IMAGE_FOLDERS = (".", "mjhq30k_imgs", "imgs")
ROOTS = (".", "MJHQ-30K")
REFERENCES = ("all", "same")
METADATA = "meta_data.json"


class Mjhq:
    """A folder with MJHQ-30K's `meta_data.json` and its unpacked images.

    Args:
        root: the folder, or null to be told what is needed.
        limit: how many prompts, drawn from a seed; null for all.
        size: height and width at which generated images and references are scored.
        references: `all` images of the metadata, or only the `same` that belong to the drawn prompts.

    Raises:
        UserError: the folder is missing or not in that layout; names the file.
    """

    def __init__(
        self, name: str, root: str | None, limit: int | None = 5000, size: int = 1024, references: str = "all"
    ) -> None:
        self.name, self.limit, self.size, self.compared = name, limit, size, references
        if references not in REFERENCES:
            raise UserError(f"dataset.references={references} is not known; {nearest(references, REFERENCES)}")
        check_pictures(size)
        if root is None:
            raise UserError(
                f"dataset {name} needs dataset.root=DIR with {EXPECTED}; get both files by "
                "`hf download playgroundai/MJHQ-30K --repo-type dataset --local-dir DIR`"
            )
        given = Path(root).expanduser()
        self.root = next((given / place for place in ROOTS if (given / place / METADATA).exists()), given)
        self.entries = read_entries(self.root)
        if limit is not None and not 1 <= limit <= len(self.entries):
            raise UserError(f"dataset.limit={limit} must lie in 1..{len(self.entries)}, the number of prompts")

    def samples(self, seed: int) -> list[Sample]:
        """`limit` prompts in an order drawn from `seed`."""
        return samples_of([self.entries[place][1] for place in self._drawn(seed)], seed)

    def references(self, seed: int) -> Pictures:
        """All images of the metadata, or those of the prompts drawn from `seed`; (n, 3, size, size)."""
        chosen = range(len(self.entries)) if self.compared == "all" else sorted(self._drawn(seed))
        return Pictures(tuple(str(self.root / self.entries[place][0]) for place in chosen), size=self.size)

    def _drawn(self, seed: int) -> list[int]:
        return np.random.default_rng(seed).permutation(len(self.entries))[: self.limit].tolist()


def read_entries(root: Path) -> list[tuple[str, str]]:
    """(image file relative to the root, prompt) of every entry, in the order of their ids.

    Raises:
        UserError: the metadata or an image is missing or broken.
    """
    path = root / METADATA
    if not path.exists():
        raise UserError(f"{path} is missing; dataset.root must hold {EXPECTED}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        named = [
            (f"{entry['category']}/{name}.jpg", " ".join(entry["prompt"].split()))
            for name, entry in sorted(content.items())
        ]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not MJHQ-30K's metadata; download it again") from error
    if not named:
        raise UserError(f"{path} holds no prompt; download it again")
    if empty := [file for file, prompt in named if not prompt]:
        raise UserError(f"{path}: the image {empty[0]} has no prompt; download the file again")
    there = {
        folder: {f"{path.parent.name}/{path.name}" for path in (root / folder).glob("*/*.jpg")}
        for folder in IMAGE_FOLDERS
    }
    missing = {folder: [file for file, _ in named if file not in found] for folder, found in there.items()}
    folder = min(missing, key=lambda place: len(missing[place]))
    if lacking := missing[folder]:
        raise UserError(
            f"{root / folder / lacking[0]} is missing ({len(lacking)} of {len(named)} images); "
            f"dataset.root must hold {EXPECTED}"
        )
    return [(str(Path(folder) / file), prompt) for file, prompt in named]
