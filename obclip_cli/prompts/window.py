"""What a text encoder reads of a prompt: so many tokens, and nothing of the rest."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obclip_cli.config import PairConfig
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.files import read_json

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"


@dataclass(frozen=True)
class Window:
    """The part of a prompt that has an effect on the image.

    Attributes:
        count: the number of tokens of a text, with the marks of its start and end.
        limit: the number of tokens that are read; the rest is cut off (CLIP: 77).
    """

    count: Callable[[str], int]
    limit: int

    @classmethod
    def of(cls, tokenizer: Any) -> "Window":
        """That of a tokenizer of transformers."""
        return cls(lambda text: len(tokenizer(text, verbose=False).input_ids), tokenizer.model_max_length)

    def end(self, prompt: str) -> int:
        """The place of the first word that is not read as a whole; the prompt's length if all are."""
        words = list(re.finditer(r"\S+", prompt))
        first, last = 0, len(words)
        while first < last:  # counts grow with the text
            middle = (first + last) // 2
            if self.count(prompt[: words[middle].end()]) > self.limit:
                last = middle
            else:
                first = middle + 1
        return words[first].start() if first < len(words) else len(prompt)


def window_of_pair(pair: PairConfig) -> Window | None:
    """The window of the pair's cloud model, or where its files are not here of the device's; None without either.

    No model is loaded: only the files of a tokenizer are read.
    """
    for model in (pair.cloud, pair.device):
        folder = hub.copies(model)[0].folder
        if folder is not None and (folder / "tokenizer" / SETTINGS).is_file():
            return _of_folder(folder / "tokenizer")
    return None


def _of_folder(folder: Path) -> Window | None:
    limit = read_json(folder / SETTINGS).get("model_max_length")
    if (folder / TOKENIZER).is_file() and isinstance(limit, int):
        from tokenizers import Tokenizer  # transformers would take a second more

        counting = Tokenizer.from_file(str(folder / TOKENIZER))
        counting.no_truncation()
        counting.no_padding()
        return Window(lambda text: len(counting.encode(text).ids), limit)
    from transformers import AutoTokenizer

    try:
        return Window.of(AutoTokenizer.from_pretrained(folder))
    except (OSError, ValueError):  # broken files are named when the model is loaded
        return None
