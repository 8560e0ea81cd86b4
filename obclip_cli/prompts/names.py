"""Names of persons in a prompt: they reveal gender, origin and often who it is (words/names.yaml, first_names.txt)."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from obclip_cli.prompts import english
from obclip_cli.prompts.articles import agree

TOKEN = re.compile(r"[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*\.?(?:-[^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.;|!?\n](?=\s|$)")
KNOWN = (
    english.FUNCTION_WORDS | english.NUMBERS | english.PERSONS | english.THINGS | english.ANIMALS | english.MODIFIERS
)
ENDING = re.compile(r"(?:ing|ed|ly|ous|ful|ic|al|ive|ish|less|ness|tion|ment|ity|ism|ist|like|er|or|s)$")
MOSTLY_CAPITALS = 0.6  # of a prompt's words: then a capital says nothing


@dataclass(frozen=True)
class Name:
    """A name with its title: `prompt[start:end] == text`.

    Attributes:
        kind: person, or character of a story.
        gender: that its first name or title says; None where both are called so.
    """

    start: int
    end: int
    text: str
    kind: Literal["person", "character"]
    gender: str | None = None


@cache
def _data() -> dict[str, Any]:
    return english.word_lists("names")


@cache
def _words(name: str) -> frozenset[str]:
    return english.words(_data()[name])


@cache
def first_names() -> dict[str, str]:
    """First name -> m, f or u, with + for rarer ones and * for those that are common words."""
    lines = (english.FOLDER / "first_names.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


@cache
def surnames() -> frozenset[str]:
    """Family names, with * for those that are common words."""
    lines = (english.FOLDER / "surnames.txt").read_text(encoding="utf-8").splitlines()
    return english.words(" ".join(line for line in lines if not line.startswith("#")))


@cache
def _fixed() -> dict[str, re.Pattern[str]]:
    """Names known as a whole, by kind."""
    listed = {"person": _data()["famous"], "character": _data()["characters"]}
    return {
        kind: re.compile(
            rf"(?<![\w-])(?:{'|'.join(sorted((_spaced(name) for row in rows for name in row), key=len, reverse=True))})"
            r"(?![\w-])",
            re.IGNORECASE,
        )
        for kind, rows in listed.items()
    }


def _spaced(name: object) -> str:
    """A name as a pattern: prompts write "spider - man" and "spiderman's" alike."""
    return re.sub(r"(?:\\ |\\-)+", r"[\\s-]+", re.escape(str(name)))


def find_names(prompt: str, besides: Collection[str] = ()) -> list[Name]:
    """All names, left to right; those of artists whose style is meant ("by", "in the style of") are left out.

    Args:
        besides: words that are never a part of a name that is put together: a value of a hidden attribute must not
            decide what is read as a name.
    """
    found = [
        Name(match.start(), match.end(), match.group(), "person" if kind == "person" else "character")
        for kind, pattern in _fixed().items()
        for match in pattern.finditer(prompt)
    ]
    names: list[Name] = []
    for name in sorted([*found, *_put_together(prompt, besides)], key=lambda name: name.start - name.end):
        if not any(name.start < other.end and other.start < name.end for other in names):
            names.append(name)
    style = of_style(prompt)
    kept = [name for name in names if not any(start <= name.start < end for start, end in style)]
    return sorted((_titled(prompt, name) for name in kept), key=lambda name: name.start)


def of_style(prompt: str) -> list[tuple[int, int]]:
    """Stretches that name artists: from "by" to the end of the sentence."""
    words = "|".join(re.escape(word) for word in _data()["style_of"])
    stretches = []
    for match in re.finditer(rf"\b(?:{words})\b", prompt, re.IGNORECASE):
        end = SENTENCE_END.search(prompt, match.end())
        stretches.append((match.end(), end.start() if end else len(prompt)))
    return stretches


def _put_together(prompt: str, besides: Collection[str]) -> list[Name]:
    """First names with what follows of the name: particles and family names."""
    tokens = list(TOKEN.finditer(prompt))
    capitals = sum(token.group()[0].isupper() for token in tokens) < MOSTLY_CAPITALS * len(tokens)
    found: list[Name] = []
    place = 0
    while place < len(tokens):
        last = _end_of_name(prompt, tokens, place, capitals, besides)
        if last is not None:
            start, end = tokens[place].start(), tokens[last].end()
            text = prompt[start:end].rstrip(".")
            gender = {"m": "male", "f": "female"}.get(first_names().get(_plain(tokens[place]), "u")[0])
            found.append(Name(start, start + len(text), text, "person", gender))
            place = last
        place += 1
    return found


def _end_of_name(
    prompt: str, tokens: list[re.Match[str]], place: int, capitals: bool, besides: Collection[str]
) -> int | None:
    """The place of the last token of the name that begins at `place`; None if none does."""
    first = _plain(tokens[place])
    kind, before = first_names().get(first), _plain(tokens[place - 1]) if place else ""
    following = _plain(tokens[place + 1]) if _joined(prompt, tokens, place) else ""
    if first in _words("address") and following and following not in besides:  # "mr. rogers"
        return place + 1 if following in first_names() or {following, following + "*"} & surnames() else None
    of_a_tag = prompt[: tokens[place].start()].endswith("<")  # "<lora:style:1>"
    if first in besides or of_a_tag or {first, before} & _words("place_words"):
        return None
    if kind is None:  # an unknown word before a family name: "alyson hannigan"
        known = following in surnames() and following not in besides and _is_unknown(first)
        return place + 1 if known else None
    capital = capitals and tokens[place].group()[0].isupper() and place > 0
    last = place
    for step in range(place + 1, min(place + 4, len(tokens))):
        if not _joined(prompt, tokens, step - 1) or _plain(tokens[step]) in besides:
            break
        uncommon = "+" in kind and last == place and _is_unknown(_plain(tokens[step]))
        if uncommon or _is_surname(tokens[step], capital) or (kind.isalpha() and _may_be_surname(prompt, tokens[step])):
            last = step
        elif _plain(tokens[step]) not in _words("particles"):
            break
    alone = "*" not in kind and ("+" not in kind or capital)
    return last if last > place or alone else None


def _joined(prompt: str, tokens: list[re.Match[str]], place: int) -> bool:
    """Whether only a space stands between a token and the next."""
    return place + 1 < len(tokens) and not prompt[tokens[place].end() : tokens[place + 1].start()].strip()


def _is_surname(token: re.Match[str], capital: bool) -> bool:
    word = _plain(token)
    if word in surnames() or "*" not in first_names().get(word, "*"):
        return True
    return capital and word + "*" not in surnames() and _unknown_capital(token)


def _may_be_surname(prompt: str, token: re.Match[str]) -> bool:
    """Whether a common word that is also a family name ends the phrase: "judy garland in", not "judy garland dress"."""
    if _plain(token) + "*" not in surnames():
        return False
    following = re.match(r"\s*([^\W\d_]*)", prompt[token.end() :])
    after = following[1].lower() if following else ""
    return not after or after in english.FUNCTION_WORDS or after.endswith("ing")


def _is_unknown(word: str) -> bool:
    """Whether a word is in none of the English lists and has no ending of a verb, an adverb or an adjective."""
    return len(word) > 2 and word not in KNOWN and not ENDING.search(word) and word + "*" not in surnames()


def _unknown_capital(token: re.Match[str]) -> bool:
    word = _plain(token)
    return token.group()[0].isupper() and word not in KNOWN


def _plain(token: re.Match[str]) -> str:
    return token.group().lower().rstrip(".")


def _titled(prompt: str, name: Name) -> Name:
    """The name with the title before it, which may say a gender."""
    before = re.search(r"(?<![\w-])([a-z]+)\.?\s+$", prompt[: name.start], re.IGNORECASE)
    if before is None or before[1].lower() not in _words("titles"):
        return name
    return Name(before.start(), name.end, prompt[before.start() : name.end], name.kind, name.gender)


def generalise(prompt: str, besides: Collection[str] = ()) -> tuple[str, tuple[Name, ...]]:
    """The prompt with "a person" for every name, and the names that are gone from it.

    The result is what candidates are made of; the device keeps the prompt as typed.
    """
    names = find_names(prompt, besides)
    text, end = "", 0
    for name in names:
        text += prompt[end : name.start]
        text = agree(text, "person") + "person" if _is_begun(text, besides) else text + "a person"
        end = name.end
    text += prompt[end:]
    return (text[0].upper() + text[1:] if names and prompt[0].isupper() else text), tuple(names)


def _is_begun(before: str, besides: Collection[str]) -> bool:
    """Whether the words before a name have begun the phrase that it ends: "a young", "the"."""
    last = re.search(r"([\w'’-]+)\s+$", before)
    word = last[1].lower() if last else ""
    begun = english.DETERMINERS | english.MODIFIERS | english.words("my your our his her their")
    return word in begun or word in besides or word.endswith(("'s", "’s"))
