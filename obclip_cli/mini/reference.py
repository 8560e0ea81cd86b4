"""The held-out art as a reference set that travels in the package."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from obclip_cli.mini.art import arts_of
from obclip_cli.mini.captions import prompt


def write_reference(folder: Path, table: pd.DataFrame, images: np.ndarray) -> None:
    """Write held-out people of a stated gender as `images.zip` (PNG) and `captions.csv`, one row an image."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = table["held_out"] & (table["gender"] != "")
    rows = []
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for picture, art in zip(images[chosen.to_numpy()], arts_of(table[chosen]), strict=True):
            name = f"{art.style}-{art.hexcode}.png"
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, format="png", optimize=True)
            archive.writestr(zipfile.ZipInfo(name), buffer.getvalue())
            described = {"file": name, "caption": prompt(art)}
            rows.append(described | {key: getattr(art, key) for key in ("role", "gender", "age", "tone", "style")})
    pd.DataFrame(rows).to_csv(folder / "captions.csv", index=False)
