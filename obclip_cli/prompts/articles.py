"""The article before a word: a young man, an old man, a european man."""

import re

ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
# By sound, not by letter: "a european", "a one-eyed", "a unicorn"; "an hour", "an heiress", "an 18-year-old".
CONSONANT_SOUND = re.compile(r"eu|one\b|once\b|uni(?!n|m)|us(?:e|ua)|ubi|ut[ei]|ukr|u[rk][aeiu]", re.IGNORECASE)
VOWEL_SOUND = re.compile(r"[aeiou]|hour|heir|honest|honou?r|8|1[18](?!\d)", re.IGNORECASE)


def article_for(word: str) -> str:
    """ "a" or "an", by the sound that `word` begins with."""
    return "a" if CONSONANT_SOUND.match(word) or not VOWEL_SOUND.match(word) else "an"


def agree(before: str, word: str) -> str:
    """The text before a word, its closing article made to agree; a capital A stays a capital."""
    found = ARTICLE.search(before)
    if found is None:
        return before
    return before[: found.start()] + found[1][0] + article_for(word)[1:] + found[2]
