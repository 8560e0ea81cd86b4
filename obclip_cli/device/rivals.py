"""What other schemes send instead of the prompt. Device side: they know it."""

import random
from dataclasses import replace

import torch
from diffusers import DiffusionPipeline

from obclip_cli.device.client import Query

END_OF_WORD = "</w>"


class WordPerturbation:
    """Word-level local differential privacy by a metric exponential mechanism over word embeddings.

    Each word x becomes y with chance proportional to exp(-ε d(x, y) / 2), d the Euclidean distance of the text
    encoder's token embeddings, y over its whole-word tokens (SanText, Yue et al. 2021).

    Args:
        epsilon: a unit of distance; how private it is depends on the encoder's scale.
    """

    def __init__(self, pipeline: DiffusionPipeline, epsilon: float) -> None:
        self.tokenizer, self.epsilon = pipeline.tokenizer, epsilon
        self.embeddings: torch.Tensor = pipeline.text_encoder.get_input_embeddings().weight.detach().float().cpu()
        vocabulary = {token: place for token, place in pipeline.tokenizer.get_vocab().items() if _is_word(token)}
        self.words = [token.removesuffix(END_OF_WORD) for token in vocabulary]
        self.places = torch.tensor(list(vocabulary.values()))
        self.chances: dict[str, list[float]] = {}

    def __call__(self, query: Query, chance: random.Random) -> Query:
        """The query with its prompt perturbed word by word; nothing else is sent."""
        words = [chance.choices(self.words, self._chances(word))[0] for word in query.prompt.lower().split()]
        return replace(query, candidates=replace(query.candidates, prompts=(" ".join(words),), index=0))

    def _chances(self, word: str) -> list[float]:
        if word not in self.chances:
            tokens = self.tokenizer(word, add_special_tokens=False).input_ids
            own = self.embeddings[tokens].mean(dim=0, keepdim=True)
            distances = torch.cdist(own, self.embeddings[self.places])[0]
            self.chances[word] = (-self.epsilon * distances / 2).softmax(0).tolist()
        return self.chances[word]


def _is_word(token: str) -> bool:
    return token.endswith(END_OF_WORD) and token.removesuffix(END_OF_WORD).isalpha()
