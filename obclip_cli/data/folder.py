"""A folder of pictures with captions, as Hugging Face's `imagefolder` and most trainers keep them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.pictures import Pictures, check_pictures, folder_of_pictures
from obclip_cli.errors import UserError

METADATA = ("metadata.csv", "metadata.jsonl")
FILE, TEXT = "file_name", "text"
EXPECTED = f"metadata.csv or metadata.jsonl with {FILE} and {TEXT}, or beside every picture its caption as NAME.txt"


class Folder:
    """Pictures of any size and mode, each with a caption; other columns of the metadata are what a picture shows.

    Args:
        root: the folder.
        limit: how many prompts, drawn from a seed; null for all.
        size: height and width that pictures are brought to, and at which generated images are scored.
        crop: none squashes pictures to a square; center takes the largest square in the middle.

    Raises:
        UserError: the folder or a caption is missing or broken; names the file.
    """

    reference_label = "the pictures themselves"

    def __init__(
        self, name: str, root: str | None, limit: int | None = None, size: int = 512, crop: str = "center"
    ) -> None:
        self.name, self.limit, self.size, self.crop = name, limit, size, crop
        check_pictures(size, crop)
        if root is None:
            raise UserError(f"dataset {name} needs dataset.root=DIR with pictures, and {EXPECTED}")
        self.root = Path(root).expanduser()
        self.table = read_captions(self.root)

    def samples(self, seed: int) -> list[Sample]:
        """`limit` captions in an order drawn from `seed`."""
        drawn = np.random.default_rng(seed).permutation(len(self.table))[: self.limit]
        known = self.reference_samples()
        return samples_of([known[i].prompt for i in drawn], seed, [known[i].labels for i in drawn])

    def references(self, seed: int) -> Pictures:
        """All pictures, (n, 3, size, size)."""
        return Pictures(tuple(str(self.root / file) for file in self.table[FILE]), size=self.size, crop=self.crop)

    def reference_samples(self) -> list[Sample]:
        """What each picture shows, in their order."""
        rows = self.table.drop(columns=[FILE, TEXT]).to_dict("records")
        shown = [{str(name): value for name, value in row.items() if value} for row in rows]
        return [Sample(text, 0, labels) for text, labels in zip(self.table[TEXT], shown, strict=True)]


def read_captions(root: Path) -> pd.DataFrame:
    """One row a picture: its file, its caption, and other columns as texts.

    Raises:
        UserError: a picture or its caption is missing, or the metadata cannot be read.
    """
    pictures = [str(Path(name).relative_to(root)) for name in folder_of_pictures(root).names]
    path = next((root / name for name in METADATA if (root / name).exists()), None)
    try:
        if path is None:
            texts = [(root / file).with_suffix(".txt").read_text(encoding="utf-8-sig") for file in pictures]
            table = pd.DataFrame({FILE: pictures, TEXT: texts})
        elif path.suffix == ".csv":
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            table = pd.DataFrame([json.loads(line) for line in lines if line.strip()]).fillna("").astype(str)
        table[TEXT] = [" ".join(text.split()) for text in table[TEXT]]
        missing = sorted({*table[FILE]} - {*pictures})
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{root} has no readable captions ({error}); it needs {EXPECTED}") from error
    if missing:
        raise UserError(f"{path} names {missing[0]}, which is no picture in {root}; add it, or take the line out")
    if empty := list(table.loc[table[TEXT] == "", FILE]):
        raise UserError(f"the picture {root / empty[0]} has an empty caption; write one")
    return table
