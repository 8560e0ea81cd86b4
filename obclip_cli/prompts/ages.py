"""Ages in figures and number words: "18-year-old", "aged 70", "in her forties", "mid - 4 0 s"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
DECADES = {"teens": 10} | {ten[:-1] + "ies": 10 * n for n, ten in enumerate(TENS, start=2)}
COUNTED = {word: n for n, word in enumerate(UNITS + TEENS, start=1)} | {
    ten: 10 * n for n, ten in enumerate(TENS, start=2)
}
COUNTED |= {f"{ten}{joint}{unit}": COUNTED[ten] + COUNTED[unit] for ten in TENS for unit in UNITS for joint in "- "}

_words = "|".join(sorted(COUNTED, key=len, reverse=True)).replace(" ", r"\s+")
_figures = r"\d(?:\s?\d){0,2}"  # some tools put spaces between digits: "2 3 years old"
_number = rf"(?P<number>{_figures}|{_words})"
_gap = r"(?:\s*-\s*|\s+|)"
_about = r"(?:about|around|approximately|roughly|almost|nearly|over)\s+"
_years = (
    rf"{_gap}(?:year|yr|month|week|day)s?\.?{_gap}(?:olds?|young|of\s+age)"
    r"|\s?(?:y\s*/\s*o\b|yo\b|y\.\s?o\.)|\s?\+(?=\s+\w|\s*,|\s*$)|\s?-?\s?(?:something|ish)\b"
)
_aged = (
    r"(?<!ice\s)(?<!stone\s)(?<!iron\s)(?<!golden\s)(?:aged|ages?(?:\s+of)?|age\s*:)\s+"
    rf"(?:{_about}|between\s+)?{_number.replace('number', 'aged')}(?:\s*(?:-|to|and)\s*(?:{_figures}))?"
)
_of_years = (
    rf"of\s+(?:{_about})?{_number.replace('number', 'of')}\s+(?:years|summers|winters)"
    r"(?!\s+of\s(?!age))(?:\s+of\s+age)?"
)
_start = r"(?<![\w-])(?<!\d\s)"
PHRASE = re.compile(rf"{_start}(?:(?:{_about})?{_number}(?:{_years})|{_aged}|{_of_years})(?![\w-])", re.IGNORECASE)
_decade = rf"(?:{'|'.join(DECADES)}|[1-9]\s?0\s?['’]?\s?s)"
DECADE = re.compile(
    rf"(?:(?:(?<=\bin\shis\s)|(?<=\bin\sher\s)|(?<=\bin\stheir\s)){_decade}"
    rf"|(?<!\bthe\s)(?<![\w-])(?:early|mid|middle|late)(?:\s*-\s*|\s+){_decade})(?![\w-])",
    re.IGNORECASE,
)

# A year of birth is no age that can be written for others without knowing today's: it is an exposure.
BIRTH_YEAR = re.compile(
    r"(?<![\w-])(?:born\s+(?:in|around|about|circa|before|after)\s+(?:the\s+)?(?:(?:early|mid|late)[\s-]+)?"
    r"|born\s+|year\s+of\s+birth\s*:?\s*|class\s+of\s+)(?:(?:1[89]|20)\d\ds?|['’]?\d0s|['’]\d\d)(?![\w-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Age:
    """A stretch that says an age: in years ("18-year-old", plural "18-year-olds"), as "aged 18", or by its decade."""

    start: int
    end: int
    years: int
    kind: Literal["years", "aged", "decade"]
    plural: bool = False


def ages(prompt: str) -> Iterator[Age]:
    """All ages in the prompt. Those in months, weeks and days count as 0 years; a decade counts as its middle."""
    for match in PHRASE.finditer(prompt):
        number = count(match["number"] or match["aged"] or match["of"])
        if number is not None:
            young = re.search(r"month|week|day", match.group(), re.IGNORECASE)
            kind: Literal["years", "aged"] = "years" if match["number"] else "aged"
            plural = match.group().lower().endswith("olds")
            yield Age(match.start(), match.end(), 0 if young else number, kind, plural)
    for match in DECADE.finditer(prompt):
        figures = re.sub(r"\D", "", match.group())
        start = int(figures) if figures else DECADES[re.split(r"[\s-]+", match.group().lower())[-1]]
        yield Age(match.start(), match.end(), start + 5, "decade")


def count(number: str) -> int | None:
    """The number that figures or a number word say; None for other words."""
    figures = re.sub(r"\s", "", number)
    return int(figures) if figures.isdecimal() else COUNTED.get(" ".join(number.lower().split()))
