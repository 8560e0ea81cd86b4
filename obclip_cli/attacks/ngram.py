"""A word trigram model of a corpus, which needs no weights.

Interpolated with Witten-Bell smoothing (Chen and Goodman 1996): the weight of shorter histories is the number of
different words that followed the longer one.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

ORDER = 3
START, END = "<s>", "</s>"
TOKEN = re.compile(r"\w+|[^\w\s]")


class NgramModel:
    """Log-probabilities of texts.

    Args:
        texts: what it is fitted on.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            words = [START] * (ORDER - 1) + tokens(text)
            for place in range(ORDER - 1, len(words)):
                for length in range(ORDER):
                    self.counts[tuple(words[place - length : place])][words[place]] += 1
        self.words = len(self.counts[()]) + 1  # and one that was never seen

    def log_likelihood(self, text: str) -> float:
        """Mean log-probability of a word, so that longer texts are not unlikelier."""
        words = [START] * (ORDER - 1) + tokens(text)
        places = range(ORDER - 1, len(words))
        return sum(math.log(self._chance(words[p], tuple(words[p - ORDER + 1 : p]))) for p in places) / len(places)

    def _chance(self, word: str, history: tuple[str, ...]) -> float:
        shorter = self._chance(word, history[1:]) if history else 1 / self.words
        followers = self.counts.get(history)
        if not followers:
            return shorter
        return (followers[word] + len(followers) * shorter) / (followers.total() + len(followers))


def tokens(text: str) -> list[str]:
    """Words and marks in lower case, with the end."""
    return [*TOKEN.findall(text.lower()), END]
