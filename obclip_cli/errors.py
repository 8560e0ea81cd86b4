"""What a user did wrong, in one line."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The message names what is wrong and what to type instead."""


def nearest(word: str, options: Iterable[str]) -> str:
    """A hint: the closest option, or all of them."""
    options = list(options)
    close = difflib.get_close_matches(word, options, n=1)
    return f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(options)}"
