"""The held-out emoji people of the embedded pair: their captions as prompts, their art as references."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from obclip_cli.data import Sample
from obclip_cli.diffusion.models import resolve
from obclip_cli.errors import UserError

ATTRIBUTES = ("gender", "tone", "role", "age")
BATCH = 128


class Emoji:
    """Combinations of role, gender, tone and style that no model of `mini` has seen.

    Args:
        root: folder with `captions.csv` and `images.zip`.
        limit: how many prompts; more than there are combinations repeats them with other noise.

    Raises:
        UserError: the folder is not such a set.
    """

    def __init__(self, name: str, root: str, limit: int | None = None) -> None:
        self.name, self.limit = name, limit
        self.folder = Path(resolve(root))
        table = self.folder / "captions.csv"
        if not table.exists() or not (self.folder / "images.zip").exists():
            raise UserError(f"dataset.root={root} has no captions.csv and images.zip; leave dataset.root out")
        self.table = pd.read_csv(table, keep_default_na=False)
        if limit is not None and limit < 1:
            raise UserError(f"dataset.limit={limit} must be at least 1, or null for all prompts")

    def samples(self, seed: int) -> list[Sample]:
        """Combinations in an order drawn from `seed`, each with noise of its own."""
        order = np.random.default_rng(seed).permutation(len(self.table))
        count = self.limit or len(order)
        rows = [self.table.iloc[order[i % len(order)]] for i in range(count)]
        return [
            Sample(row["caption"], seed * 1_000_000 + i, {a: row[a] for a in ATTRIBUTES if row[a]})
            for i, row in enumerate(rows)
        ]

    def references(self) -> Iterator[torch.Tensor]:
        """All held-out art, (n, 3, 64, 64)."""
        with zipfile.ZipFile(self.folder / "images.zip") as archive:
            names = list(self.table["file"])
            for start in range(0, len(names), BATCH):
                pictures = [self._read(archive, name) for name in names[start : start + BATCH]]
                yield torch.stack(pictures)

    def reference_labels(self) -> list[dict[str, str]]:
        """What each reference image shows, in their order."""
        return [{a: row[a] for a in ATTRIBUTES if row[a]} for _, row in self.table.iterrows()]

    @staticmethod
    def _read(archive: zipfile.ZipFile, name: str) -> torch.Tensor:
        with Image.open(io.BytesIO(archive.read(name))) as image:
            return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
