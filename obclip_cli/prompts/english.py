"""English words that tell whom an adjective or a pronoun is about: the lists of words/english.yaml."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).with_name("words")


@cache
def word_lists(name: str) -> dict[str, Any]:
    """A file of words/."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster
    listed: dict[str, Any] = yaml.load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), loader)
    return listed


def words(text: str) -> frozenset[str]:
    """A set of words from one string."""
    return frozenset(text.split())


def plural(word: str) -> str:
    """The plural of a regular noun, of -man words and of child: woman -> women, lady -> ladies."""
    if word == "child" or word.endswith("grandchild"):
        return word + "ren"
    if word == "person":
        return "people"
    if word.endswith("man"):
        return word[:-3] + "men"
    if word.endswith("-in-law"):
        return plural(word.removesuffix("-in-law")) + "-in-law"
    if word.endswith("wife"):
        return word[:-2] + "ves"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "sh", "ch")) else "s")


def _listed(name: str) -> frozenset[str]:
    return words(word_lists("english")[name])


def _with_plurals(name: str) -> frozenset[str]:
    return _listed(name) | {plural(word) for word in _listed(name)}


DETERMINERS, NUMBERS = _listed("determiners"), _listed("numbers")
PREPOSITIONS, CONJUNCTIONS = _listed("prepositions"), _listed("conjunctions")
COPULAS, ADVERBS, SUBJECTS = _listed("copulas"), _listed("adverbs"), _listed("subjects")
AUXILIARIES = COPULAS | words("am has have had do does did can could will would may might must not who that")
FUNCTION_WORDS = DETERMINERS | PREPOSITIONS | CONJUNCTIONS | AUXILIARIES | SUBJECTS | words("its their my your our")

PERSONS, ALSO_THINGS = _with_plurals("persons"), _listed("also_things")
BREEDS = words("german australian belgian anatolian caucasian dutch english")
SHEPHERDS = frozenset(f"{breed} shepherd{ending}" for breed in BREEDS for ending in ("", "s"))
ANIMALS, THINGS = SHEPHERDS | _with_plurals("animals"), _with_plurals("things")
MODIFIERS, MADE_FOR, PICTURES = _listed("modifiers"), _listed("made_for"), _listed("pictures")
WORN, SPECIES_FIRST = _listed("worn"), _listed("species_first")
