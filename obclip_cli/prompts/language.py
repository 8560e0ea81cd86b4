"""Whether a prompt is English, which is all that is read: one in another language would go up in the clear."""

import re
import unicodedata
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from obclip_cli.prompts import english
from obclip_cli.prompts.names import find_names, of_style

LETTERS = re.compile(r"[^\W\d_]+")
NO_LATIN = 0.3  # share of letters of other scripts from which a prompt is not English
# Measured on 4,188 English prompts and captions, none of which is taken for another language.
LIKELY, UNLIKELY, KNOWN = 0.45, 0.05, 0.5
LANGUAGES = """af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl he hi hr hu hy id is it ja ka kk ko
    lt lv mk ml mn mr ms my ne nl no pa pl ps pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh"""


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES.split())
    return identifier


@cache
def _persons() -> dict[str, str]:
    """Word -> language, without words that English has too."""
    listed = english.word_lists("languages")["persons"]
    return {word: code for code, words in listed.items() for word in words.split() if word not in _english()}


@cache
def _english() -> frozenset[str]:
    lists = (english.PERSONS, english.THINGS, english.ANIMALS, english.MODIFIERS, english.ADVERBS, english.PICTURES)
    return english.FUNCTION_WORDS.union(*lists) | english.words(
        "man men woman women boy boys girl girls young old his her"
    )


def other_language(prompt: str) -> str | None:
    """The language of a prompt as an ISO 639 code, None for English and for prompts without a word.

    Names, artists and figures say nothing; the answer does not depend on chance or on a network.
    """
    said_nothing = [(name.start, name.end) for name in find_names(prompt)] + of_style(prompt)
    for start, end in sorted(said_nothing, reverse=True):
        prompt = prompt[:start] + prompt[end:]
    words = [word.lower() for word in LETTERS.findall(prompt)]
    letters = "".join(words)
    if not letters:
        return None
    foreign = sum("LATIN" not in unicodedata.name(letter, "") for letter in letters) > NO_LATIN * len(letters)
    if not foreign and (said := next((_persons()[word] for word in words if word in _persons()), None)):
        return said
    if not foreign and sum(word in _english() for word in words) >= KNOWN * len(words):
        return None  # the model, half a second to load, has no say
    chances = {code: float(chance) for code, chance in _identifier().rank(" ".join(words))}
    best = max((code for code in chances if code != "en"), key=chances.__getitem__)
    return best if foreign or (chances[best] >= LIKELY and chances["en"] < UNLIKELY) else None
