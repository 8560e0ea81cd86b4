"""A prompt as typed, checked before anything is done with it."""

import unicodedata

from obclip_cli.errors import UserError

LONGEST = 2000
JOINERS = "\u200c\u200d"  # they shape Persian and Indic letters and join emoji


def check_prompt(prompt: str) -> str:
    """The prompt with single spaces.

    Right-to-left letters are welcome; marks that make text run or read otherwise than it looks are not, since the
    attributes would be looked for in something that nobody sees.

    Raises:
        UserError: it is empty, too long, or holds control characters or invisible ones.
    """
    for place, character in enumerate(prompt):
        if _is_control(character):
            raise UserError(f"the prompt holds control characters ({_name(character)}); type plain text")
        if unicodedata.category(character) == "Cf" and not _joins(prompt, place):
            raise UserError(f"the prompt holds an invisible character ({_name(character)}); delete it")
    prompt = " ".join(prompt.split())
    if not prompt:
        raise UserError('the prompt is empty; type one, as in: obclip generate "a woman firefighter with dark skin"')
    if len(prompt) > LONGEST:
        raise UserError(f"the prompt has {len(prompt)} characters; shorten it to {LONGEST}")
    return prompt


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r"


def _joins(prompt: str, place: int) -> bool:
    """Whether a joiner stands between two characters that it can join, and not within an English word."""
    neighbours = prompt[max(place - 1, 0) : place + 2].replace(prompt[place], "")
    return prompt[place] in JOINERS and len(neighbours) == 2 and not any(c.isascii() for c in neighbours)


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"
