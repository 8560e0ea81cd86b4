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


def require(holds: bool, otherwise: str) -> None:
    """Refuse a setting, in one line that says what to type instead."""
    if not holds:
        raise UserError(otherwise)


def check_choice(key: str, value: str, options: tuple[str, ...]) -> None:
    require(value in options, f"{key}={value} is not known; {nearest(value, options)}")


def check_least(key: str, value: int, least: int) -> None:
    require(value >= least, f"{key}={value} must be at least {least}")
