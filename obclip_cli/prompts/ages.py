"""Ages in figures and number words: "18-year-old", "aged 70", "in her forties"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
DECADES = {"teens": 10} | {ten[:-1] + "ies": 10 * n for n, ten in enumerate(TENS, start=2)}
COUNTED = {word: n for n, word in enumerate(UNITS + TEENS, start=1)} | {
    ten: 10 * n for n, ten in enumerate(TENS, start=2)
}
COUNTED |= {f"{ten}{joint}{unit}": COUNTED[ten] + COUNTED[unit] for ten in TENS for unit in UNITS for joint in "- "}

_words = "|".join(sorted(COUNTED, key=len, reverse=True)).replace(" ", r"\s+")
_number = rf"(?P<number>\d{{1,3}}|{_words})"
_gap = r"(?:\s*-\s*|\s+|)"
_years = rf"{_gap}(?:year|yr|month|week|day)s?\.?{_gap}(?:olds?|of\s+age)|{_gap}(?:y\s*/\s*o|yo|y\.o\.)"
_aged = rf"(?:aged|age\s+of|age)\s+(?:about\s+|around\s+|over\s+)?{_number.replace('number', 'aged')}"
PHRASE = re.compile(rf"(?<![\w-])(?:{_number}(?:{_years})|{_aged})(?![\w-])", re.IGNORECASE)
_decade = rf"(?:{'|'.join(DECADES)}|[1-9]0['’]?s)"
DECADE = re.compile(
    rf"(?:(?:(?<=\bin\shis\s)|(?<=\bin\sher\s)|(?<=\bin\stheir\s)){_decade}"
    rf"|(?<!\bthe\s)(?<![\w-])(?:early|mid|middle|late)(?:\s*-\s*|\s+){_decade})(?![\w-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Age:
    """A stretch that says an age; decades and plurals ("18-year-olds") are told apart."""

    start: int
    end: int
    years: int
    decade: bool = False


def ages(prompt: str) -> Iterator[Age]:
    """All ages in the prompt. Those in months, weeks and days count as 0 years; a decade counts as its middle."""
    for match in PHRASE.finditer(prompt):
        number = match["number"] or match["aged"]
        years = _count(number)
        yield Age(
            match.start(), match.end(), 0 if re.search(r"month|week|day", match.group(), re.IGNORECASE) else years
        )
    for match in DECADE.finditer(prompt):
        word = re.split(r"[\s-]+", match.group().lower())[-1]
        start = DECADES.get(word) or int(re.sub(r"\D", "", word))
        yield Age(match.start(), match.end(), start + 5, decade=True)


def _count(number: str) -> int:
    return int(number) if number.isdecimal() else COUNTED[" ".join(number.lower().split())]
