"""Words that betray an attribute by context: they stay in every candidate, so the user is told."""

import re
from dataclasses import dataclass
from functools import lru_cache

from obclip_cli.prompts.detect import Detector, detect
from obclip_cli.prompts.forms import Taxonomy


@dataclass(frozen=True)
class Revealing:
    """A word of the prompt and the attribute that it may reveal."""

    word: str
    attribute: str


def revealing_words(prompt: str, taxonomy: Taxonomy, find: Detector = detect) -> list[Revealing]:
    """The words of a prompt that the taxonomy lists under `reveals` and that are not hidden themselves.

    A word that may reveal two attributes is listed twice; the order is the prompt's.
    """
    hidden = [range(span.start, span.end) for span in find(prompt, taxonomy)]
    found = []
    for attribute in taxonomy.reveals:
        for match in _pattern(taxonomy, attribute).finditer(prompt):
            if not any(match.start() in span for span in hidden):
                found.append((match.start(), Revealing(match.group().lower(), attribute)))
    listed = [revealing for _, revealing in sorted(found, key=lambda item: item[0])]
    return list(dict.fromkeys(listed))


@lru_cache(maxsize=64)
def _pattern(taxonomy: Taxonomy, attribute: str) -> re.Pattern[str]:
    words = sorted(taxonomy.reveals[attribute], key=len, reverse=True)
    listed = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])", re.IGNORECASE)
