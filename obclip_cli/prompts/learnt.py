"""What a small model has learnt to draw, where its pair says so: the embedded one knows people in some roles."""

import csv
import difflib
import json
import re
from functools import lru_cache
from pathlib import Path

import yaml

from obclip_cli.config import PairConfig
from obclip_cli.prompts import english
from obclip_cli.resources import data_folder, resolve

FUNCTION_WORDS = english.DETERMINERS | {"a", "an", "the", "of", "in", "on", "and", "with", "who", "is", "as"}
ALIKE = 0.75  # of a word and the role that it is likely a slip of


def roles_of(pair: PairConfig) -> list[str]:
    """The roles that a pair was trained on: those that its judge tells apart; none where it has no such judge."""
    path = Path(resolve(pair.judge or "")) / "labels.json"
    return list(json.loads(path.read_text())["role"]) if pair.judge and path.exists() else []


def unlearnt(prompt: str, pair: PairConfig) -> list[str]:
    """Words of a prompt that no caption of the pair's art has; none where nothing is known of its captions."""
    known = _words_of(pair.captions, tuple(roles_of(pair)))
    said = re.findall(r"[^\W\d_]+", prompt.lower())
    return [word for word in dict.fromkeys(said) if word not in known] if known else []


def warning(prompt: str, pair: PairConfig) -> str | None:
    """What to tell the user of a prompt that the pair has not learnt to draw."""
    if not (strange := unlearnt(prompt, pair)):
        return None
    roles = roles_of(pair)
    near = next(filter(None, (nearest_role(word, roles) for word in strange)), None)
    nearest = f"the nearest role is {near}" if near else "such as firefighter, teacher or in manual wheelchair"
    words = ", ".join(f'"{word}"' for word in strange)
    return (
        f"{pair.name} draws emoji people in {len(roles)} roles and has not learnt {words}: expect a shape without "
        f"meaning ({nearest}; `obclip models list` names all)"
    )


def nearest_role(word: str, roles: list[str]) -> str | None:
    """The role that a word is likely a slip of, or one that people call so (words/roles.yaml): a physician."""
    slips = difflib.get_close_matches(word, roles, n=1, cutoff=ALIKE)
    forms = {word, word.removesuffix("s")}
    named = (role for role, words in english.word_lists("roles").items() if role in roles and forms & {*words.split()})
    return next(iter(slips), None) or next(named, None)


@lru_cache
def _words_of(dataset: str, roles: tuple[str, ...]) -> frozenset[str]:
    """Words of the captions of a dataset that lies in the package."""
    path = data_folder("configs") / "dataset" / f"{dataset}.yaml"
    root = yaml.safe_load(path.read_text()).get("root") if path.exists() else None
    captions = Path(resolve(root)) / "captions.csv" if root else None
    if not roles or captions is None or not captions.exists():
        return frozenset()
    with captions.open(encoding="utf-8", newline="") as file:
        texts = [row["caption"].lower() for row in csv.DictReader(file)]
    return frozenset(re.findall(r"[^\W\d_]+", " ".join([*texts, *roles]))) | FUNCTION_WORDS
