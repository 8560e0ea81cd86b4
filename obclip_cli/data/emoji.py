"""The held-out emoji people of the embedded pair: their captions as prompts, their art as references."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.pictures import Pictures
from obclip_cli.errors import UserError
from obclip_cli.resources import resolve

ATTRIBUTES = ("gender", "tone", "role", "age")
COLUMNS = ("file", "caption", *ATTRIBUTES)


class Emoji:
    """Combinations of role, gender, tone and style that no model of `mini` has seen.

    Args:
        root: folder with `captions.csv` and `images.zip`.
        limit: how many prompts; more than there are combinations repeats them with other noise.

    Raises:
        UserError: the folder is not such a set; names the file.
    """

    size = None
    reference_label = "real held-out art"

    def __init__(self, name: str, root: str, limit: int | None = None) -> None:
        self.name, self.limit = name, limit
        path, self.archive = Path(resolve(root)) / "captions.csv", Path(resolve(root)) / "images.zip"
        if not path.exists() or not self.archive.exists():
            raise UserError(f"dataset.root={root} has no captions.csv and images.zip; leave dataset.root out")
        self.table = self._read_captions(path)
        if limit is not None and limit < 1:
            raise UserError(f"dataset.limit={limit} must be at least 1, or null for all prompts")

    def _read_captions(self, path: Path) -> pd.DataFrame:
        try:
            table = pd.read_csv(path, keep_default_na=False)
            with zipfile.ZipFile(self.archive) as archive:
                stored = set(archive.namelist())
        except (ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{path.parent} is not readable ({error}); leave dataset.root out") from error
        if missing := [column for column in COLUMNS if column not in table.columns]:
            raise UserError(f"{path} has no column {missing[0]}; leave dataset.root out")
        if empty := list(table.loc[table["caption"] == "", "file"]):
            raise UserError(f"{path}: the image {empty[0]} has an empty caption")
        if strays := sorted(stored.symmetric_difference(table["file"])):
            raise UserError(f"{path} and images.zip do not agree about {strays[0]}; leave dataset.root out")
        return table

    def samples(self, seed: int) -> list[Sample]:
        """Combinations in an order drawn from `seed`, each with noise of its own."""
        order = np.random.default_rng(seed).permutation(len(self.table))
        shown = self.table.iloc[np.resize(order, self.limit or len(order))]
        return samples_of(list(shown["caption"]), seed, _labels(shown))

    def references(self, seed: int) -> Pictures:
        """All held-out art, (n, 3, 64, 64)."""
        return Pictures(tuple(self.table["file"]), zipfile.ZipFile(self.archive).read)

    def reference_samples(self) -> list[Sample]:
        """What each reference image shows, in their order."""
        facts = zip(self.table["caption"], _labels(self.table), strict=True)
        return [Sample(caption, 0, labels) for caption, labels in facts]


def _labels(table: pd.DataFrame) -> list[dict[str, str]]:
    rows = table[list(ATTRIBUTES)].to_dict("records")
    return [{str(attribute): value for attribute, value in row.items() if value} for row in rows]
