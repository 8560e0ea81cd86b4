"""Guess from the words around: a classifier learnt on captions whose attribute words were taken out."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property, reduce
from operator import and_
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from obclip_cli.attacks.knowledge import PRONOUNS, Guesser, Knowledge, best
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.errors import UserError
from obclip_cli.prompts.detect import detect
from obclip_cli.prompts.taxonomy import Taxonomy

# Words of one letter count: "a" against "an" is context too.
WORD = r"(?u)\b\w+\b"
MOST_ROWS = 20_000


class Context(Guesser):
    """Breaks requests whose common words betray a value: "his eyes" with all of them (the paper's template six)."""

    def guess(self, transcript: Transcript) -> np.ndarray:
        """Each sent candidate by the product of its values' probabilities, given what all sent prompts share."""
        context = common_words(mask(prompt, self.knowledge.taxonomy) for prompt in transcript.seen.prompts)
        chances = np.ones(transcript.n)
        for slot, attribute in enumerate(transcript.attributes):
            if model := self._models.get(attribute):
                likely = dict(zip(model.classes_, model.predict_proba([context])[0], strict=True))
                chances *= [likely.get(values[slot], 1.0) for values in transcript.values]
        places = [place for place in self.sent(transcript) if place is not None]
        sent = np.isin(np.arange(transcript.n), places) if places else np.ones(transcript.n, dtype=bool)
        return best(np.where(sent, chances.round(9), -1))

    @cached_property
    def _models(self) -> dict[str, Pipeline]:
        """A classifier of every attribute that the corpus says in two ways at least."""
        rows = [lesson for caption in read_corpus(self.knowledge.corpus) for lesson in lessons(caption, self.knowledge)]
        models = {}
        for attribute in self.knowledge.taxonomy.attributes:
            texts = [text for name, _, text in rows if name == attribute]
            values = [value for name, value, _ in rows if name == attribute]
            if len(set(values)) > 1:
                # Balanced: the prior over values is uniform in the game, whatever the corpus speaks of most.
                classifier = LogisticRegression(class_weight="balanced", max_iter=1000)
                models[attribute] = make_pipeline(TfidfVectorizer(token_pattern=WORD), classifier).fit(texts, values)
        return models


def lessons(caption: str, knowledge: Knowledge) -> list[tuple[str, str, str]]:
    """(attribute, value, masked caption) for every slot of a caption; none where the rules refuse it."""
    reading = knowledge.read(caption)
    if reading is None:
        return []
    masked = mask(caption, knowledge.taxonomy)
    return [(name, value, masked) for name, value in zip(reading.attributes, reading.values, strict=True)]


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


def read_corpus(path: Path) -> list[str]:
    """Captions, one a line, or the column `caption` of a CSV file; the first 20,000.

    Raises:
        UserError: it cannot be read or holds none.
    """
    try:
        if path.suffix == ".csv":
            captions = list(pd.read_csv(path, dtype=str, keep_default_na=False)["caption"])
        else:
            captions = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, KeyError) as error:
        reason = "no column caption" if isinstance(error, KeyError) else error
        raise UserError(f"the corpus {path} cannot be read ({reason}); give captions, one a line") from error
    if not captions:
        raise UserError(f"the corpus {path} holds no caption; give captions, one a line")
    return captions[:MOST_ROWS]
