"""Text as people write it: the two corpora of the package, or a file of the user's.

corpora/captions.txt: captions in the manner of MS-COCO's, written for this project (CC0).
corpora/prompts.txt: prompts that people typed, from public collections (Apache-2.0, see NOTICE).
"""

import json
from pathlib import Path

import pandas as pd

from obclip_cli.errors import UserError

CAPTIONS, PROMPTS = (Path(__file__).parent / "corpora" / f"{name}.txt" for name in ("captions", "prompts"))
COLUMNS = ("caption", "prompt", "text")
MOST_ROWS = 20_000


def read_corpus(path: Path) -> list[str]:
    """Texts, one a line, or the column `caption`, `prompt` or `text` of a CSV or JSON-lines file; the first 20,000.

    Raises:
        UserError: it cannot be read or holds none.
    """
    try:
        texts = _column(path) if path.suffix in (".csv", ".jsonl") else path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the corpus {path} cannot be read ({error}); give captions, one a line") from error
    found = [" ".join(text.split()) for text in texts if text.strip()]
    if not found:
        raise UserError(f"the corpus {path} holds no caption; give captions, one a line")
    return found[:MOST_ROWS]


def _column(path: Path) -> list[str]:
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    else:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        table = pd.DataFrame([json.loads(line) for line in lines if line.strip()])
    column = next((name for name in COLUMNS if name in table), None)
    if column is None:
        raise KeyError(f"no column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}")
    return [str(text) for text in table[column]]
