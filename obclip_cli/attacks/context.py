"""Guess from the words around: a classifier learnt on texts whose attribute words were taken out."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property, reduce
from operator import and_

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from obclip_cli.attacks.knowledge import PRONOUNS, Guesser, Knowledge
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.errors import UserError
from obclip_cli.prompts.detect import detect
from obclip_cli.prompts.taxonomy import Taxonomy

# Words of one letter count: "a" against "an" is context too.
WORD = r"(?u)\b\w+\b"


class Context(Guesser):
    """Breaks requests whose common words betray a value: "his eyes" with all of them (the paper's template six)."""

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.masked: dict[str, str] = {}
        self.seen: dict[tuple[str, ...], dict[str, dict[str, float]]] = {}

    def guess(self, transcript: Transcript) -> np.ndarray:
        """Each sent candidate by the product of its values' probabilities, given what all sent prompts share."""
        return self.weighed(transcript, self.chances(transcript, transcript.seen))

    def chances(self, transcript: Transcript, exchange: Exchange) -> np.ndarray:
        """The candidates' chances (N,) by the words of one exchange, where all values are alike without them."""
        if exchange.prompts not in self.seen:
            self.seen[exchange.prompts] = self._look(common_words(map(self._mask, exchange.prompts)))
        chances = np.ones(transcript.n)
        for slot, attribute in enumerate(transcript.attributes):
            if likely := self.seen[exchange.prompts].get(attribute):
                chances *= [likely.get(values[slot], min(likely.values())) for values in transcript.values]
        return chances

    def _look(self, context: str) -> dict[str, dict[str, float]]:
        """Attribute -> value -> its probability by the words around."""
        models = self._told if PRONOUNS & set(context.split()) else self._models
        return {
            attribute: dict(zip(model.classes_, model.predict_proba([context])[0], strict=True))
            for attribute, model in models.items()
        }

    def _mask(self, prompt: str) -> str:
        if prompt not in self.masked:
            self.masked[prompt] = mask(prompt, self.knowledge.taxonomy)
        return self.masked[prompt]

    @cached_property
    def _models(self) -> dict[str, Pipeline]:
        """A classifier of every attribute that the corpus says in two ways at least, of words as requests show them."""
        return self._learn(lambda text, candidates: common_words(map(self._mask, candidates)))

    @cached_property
    def _told(self) -> dict[str, Pipeline]:
        """The same with the texts' own pronouns, for requests that do not adapt them."""
        return self._learn(lambda text, _: self._mask(text))

    def _learn(self, around: Callable[[str, tuple[str, ...]], str]) -> dict[str, Pipeline]:
        rows: dict[str, list[tuple[str, str]]] = {}
        for text in self.knowledge.texts:
            if (reading := self.knowledge.read(text)) is not None and reading.attributes:
                shown = around(text, reading.candidates)
                for attribute, value in zip(reading.attributes, reading.values, strict=True):
                    rows.setdefault(attribute, []).append((shown, value))
        models = {}
        for attribute, lessons in rows.items():
            texts, values = zip(*lessons, strict=True)
            if len(set(values)) > 1:
                # Balanced: what is likely anyway is the prior's part, whatever the corpus speaks of most.
                classifier = LogisticRegression(class_weight="balanced", max_iter=1000)
                models[attribute] = make_pipeline(TfidfVectorizer(token_pattern=WORD), classifier).fit(texts, values)
        return models


def mask(prompt: str, taxonomy: Taxonomy) -> str:
    """A prompt without the words that say a value, pronouns excepted."""
    try:
        spans = detect(prompt, taxonomy)
    except UserError:
        spans = []
    for span in reversed(spans):
        if span.text.lower() not in PRONOUNS:
            prompt = f"{prompt[: span.start]} {prompt[span.end :]}"
    return " ".join(prompt.split())


def common_words(prompts: Iterable[str]) -> str:
    """The words that every prompt has."""
    return " ".join(reduce(and_, (Counter(prompt.lower().split()) for prompt in prompts)).elements())
