"""Captions for emoji art, in several wordings, and the tokenizer that reads them."""

import json
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from obclip_cli.mini.art import STYLES, Art

MAX_TOKENS = 24
VOCABULARY_SIZE = 2048
# CLIP's way of splitting text: contractions, words, single digits, runs of other marks.
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
NOUNS = {
    ("male", "adult"): "man",
    ("female", "adult"): "woman",
    ("", "adult"): "person",
    ("male", "child"): "boy",
    ("female", "child"): "girl",
    ("", "child"): "child",
    ("male", "old"): "old man",
    ("female", "old"): "old woman",
    ("", "old"): "old person",
}
FEATURES = {"beard": "a beard", "bald": "no hair"}


def noun(art: Art) -> str:
    """The word for the person: man, girl, old woman ..."""
    return NOUNS[art.gender, art.age]


def person(art: Art) -> str:
    """The person and the role, without the skin: "woman firefighter", "man with red hair"."""
    if art.role in ("prince", "princess", "merman", "mermaid", "santa claus", "mrs. claus"):
        return art.role
    if art.kind == "noun":
        return art.role if art.gender == "" and art.age == "adult" else f"{noun(art)} {art.role}"
    if art.kind == "before":
        return f"{art.role} {noun(art)}"
    if art.kind == "with":
        return f"{noun(art)} with {FEATURES.get(art.role, art.role)}"
    return f"{noun(art)} {art.role}".strip()


def with_article(words: str) -> str:
    """Put "a" or "an" before a noun phrase."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def with_skin(art: Art) -> str:
    """The plain wording, which prompts use: "a woman firefighter with dark skin"."""
    joint = " and" if " with " in f" {person(art)} " else " with"
    return with_article(person(art)) + (f"{joint} {art.tone} skin" if art.tone else "")


def _skinned(art: Art) -> str:
    """The adjective wording: "a dark-skinned female firefighter"."""
    sex = {"male": "male ", "female": "female ", "": ""}[art.gender]
    is_job = art.kind == "noun" and art.age == "adult" and " " not in noun(art)
    words = f"{sex}{art.role}" if is_job else person(art)
    return with_article(f"{art.tone}-skinned {words}") if art.tone else with_article(words)


def _listed(art: Art) -> str:
    return f"{person(art)}, {art.tone} skin" if art.tone else person(art)


def _cldr(art: Art) -> str:
    return f"{art.label}: {art.tone} skin tone" if art.tone else art.label


def _aged(art: Art) -> str:
    """The plain wording with the age said, as candidates over ages have it: "an adult woman cook"."""
    if art.age != "adult" or not art.gender or person(art) == art.role:
        return with_skin(art)
    rest = with_skin(art).split(" ", 1)[1]
    return with_article(f"adult {rest}")


WORDINGS = (with_skin, _skinned, _listed, _cldr, _aged)


def wordings(art: Art) -> list[str]:
    """All wordings of a picture, each without and with its style, lower case."""
    makers = WORDINGS if art.category == "person" else (_cldr,)
    plain = dict.fromkeys(make(art).lower() for make in makers)
    return [text for words in plain for text in (words, f"{words}, {STYLES[art.style].lower()} style")]


def prompt(art: Art) -> str:
    """The prompt under which a held-out combination is asked for: the plain wording with its style."""
    return f"{with_skin(art)}, {STYLES[art.style]} style"


def train_tokenizer(texts: list[str], folder: Path) -> CLIPTokenizer:
    """Learn a byte-level vocabulary in CLIP's format from captions and save it to `folder`."""
    split = pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    bytewise = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = pre_tokenizers.Sequence([split, bytewise])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=["<|startoftext|>", "<|endoftext|>"],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]
    vocabulary = dict(learnt["vocab"])
    for byte in alphabet:  # every byte, also at a word's end, so that no text is unknown
        for token in (byte, f"{byte}</w>"):
            vocabulary.setdefault(token, len(vocabulary))
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids (n, MAX_TOKENS), padded and cut."""
    return tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt").input_ids
