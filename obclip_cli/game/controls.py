"""Clients to compare with: some leak on purpose, each for one attack to catch; one perturbs words.

Each takes what ObCLIP would send and breaks one thing that Theorem 1 (arXiv 2510.04153) needs, or sends something else
instead.
"""

import random
import re
from dataclasses import replace

import torch
from diffusers import DiffusionPipeline

from obclip_cli.device.client import Query
from obclip_cli.diffusion.denoise import initial_noise
from obclip_cli.diffusion.image_to_image import encode, noised, places_of
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.protocol import CloudRequest

PRONOUN = re.compile(r"\b(?:he|she|his|her|him|himself|herself)\b")


def own_first(query: Query, _: random.Random) -> Query:
    """p* at the head of the list."""
    own = query.candidates.prompts[query.candidates.index]
    others = [prompt for prompt in query.candidates.prompts if prompt != own]
    return _sending(query, (own, *others), 0)


def own_spelling(query: Query, _: random.Random) -> Query:
    """p* in the user's own words among canonical decoys."""
    prompts = list(query.candidates.prompts)
    prompts[query.candidates.index] = query.prompt
    return _sending(query, tuple(prompts), query.candidates.index)


def own_pronouns(query: Query, _: random.Random) -> Query:
    """Every candidate with p*'s pronouns, as in the paper's sixth template: "his eyes" for the women too."""
    own = PRONOUN.findall(query.candidates.prompts[query.candidates.index])

    def unadapted(prompt: str) -> str:
        words = iter(own)
        return PRONOUN.sub(lambda _: next(words), prompt)

    return _sending(query, tuple(unadapted(p) for p in query.candidates.prompts), query.candidates.index)


def noised_image(
    request: CloudRequest, image: torch.Tensor, pipeline: DiffusionPipeline, strength: float, secret: int
) -> CloudRequest:
    """Image-to-image done the obvious way: the user's picture (3, H, W) goes up, noised to the step of its strength.

    Args:
        secret: seed of the noise, which the server does not know.
    """
    clean, start = encode(pipeline, image[None]), places_of(strength, request.steps)
    sent = noised(pipeline, clean, initial_noise(pipeline, latent_shape(pipeline), secret), start, request.steps)
    return replace(request, latents=sent, start=start, stop=max(start, request.stop))


def _sending(query: Query, prompts: tuple[str, ...], index: int) -> Query:
    return replace(query, candidates=replace(query.candidates, prompts=prompts, index=index))


END = "</w>"  # of a word, in CLIP's vocabulary


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
        known = sorted(pipeline.tokenizer.get_vocab().items(), key=lambda item: item[1])  # its order differs by process
        ends = [(token.removesuffix(END), place) for token, place in known if token.endswith(END)]
        self.words = [word for word, _ in ends if word.isalpha()]
        self.places = torch.tensor([place for word, place in ends if word.isalpha()])
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
