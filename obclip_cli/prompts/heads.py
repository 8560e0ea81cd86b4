"""Whom an adjective describes: the noun it stands before, or the person it follows."""

import re
from dataclasses import replace

from obclip_cli.prompts import english
from obclip_cli.prompts.english import words
from obclip_cli.prompts.sentence import Unit

Units = tuple[Unit, ...]
COORDINATORS = frozenset({"and", "or", "&", ",", "/", "-"})
SINGULAR = words("a an one another each every this that")
PASSING = english.MODIFIERS | english.ADVERBS
AGENT = re.compile(r"\w{2,}(?:er|or|ist)$")
LONGEST_PHRASE = 6  # words after "male" or "female" among which its noun is looked for
ARTICLES = english.DETERMINERS | english.NUMBERS | {"her", "his", "their", "my", "your", "our"}
PLAIN_WORDS = 2  # unknown words that may stand between an adjective and its person: "old truck driver"
PARTICIPLE = re.compile(r"\w+(?:ing|ed)$")
ADJECTIVE = re.compile(
    r"\w{2,}(?:ful|ous|ive|less|able|ible|ish|like|some|esque|ical|ian|ic|al|ese|ary|ent|y|looking)$"
)
CLOSE_ADJECTIVE = re.compile(r"\w{2,}(?:ful|ous|ive|less|ish|esque|ical|looking)$")  # no noun ends so


def at(units: Units, place: int) -> Unit | None:
    """The unit at a place, None beyond the ends."""
    return units[place] if 0 <= place < len(units) else None


def described(units: Units, place: int, *, strictly: bool = False) -> int | None:
    """Where the person noun is that an adjective stands before; None if it describes something else.

    Args:
        strictly: for words that mostly describe things ("white"): no unknown word may stand in between.
    """
    plain_words, lone = 0, None
    step = place + 1
    following = at(units, step)
    if strictly and following is not None and following.text in english.WORN:
        return None  # "white haired", "black cloaked"
    while (unit := at(units, step)) is not None:
        if unit.kind == "person":
            if names_a_sex(units[place]) and unit.meanings and unit.silent:
                return step  # "a female god statue", which a "goddess statue" becomes
            return _end_of_compound(units, step, strictly=strictly)
        if unit.text in COORDINATORS:
            step += (after := at(units, step + 1)) is not None and after.text in COORDINATORS  # "tall, and"
            step += _repeats_article(units, step)  # "a young and an old woman"
            comma_before_noun = unit.text == "," and not strictly and _is_person(at(units, step + 1))
            if not comma_before_noun and not _is_modifier(at(units, step + 1), strictly=strictly):
                break
        elif unit.kind == "adjective":
            lone = step if reads_alone(units, step) else lone
        elif _passes(unit, strictly) or (PARTICIPLE.match(unit.text) and not plain_words):
            pass
        elif unit.kind in ("animal", "thing", "word") and not strictly and plain_words < PLAIN_WORDS:
            if unit.kind != "word" and not _is_agent(at(units, step + 1)):
                break
            if unit.text.endswith("s") and not unit.text.endswith("ss"):
                break
            plain_words += 1
        else:
            break
        step += 1
    return lone


def _repeats_article(units: Units, place: int) -> bool:
    """Whether "and" joins two adjectives and the second has an article of its own."""
    article, adjective = at(units, place + 1), at(units, place + 2)
    if article is None or adjective is None or units[place - 1].kind != "adjective":
        return False
    return article.text in {"a", "an", "the"} and adjective.kind == "adjective"


def _is_modifier(unit: Unit | None, *, strictly: bool = False) -> bool:
    if unit is None:
        return False
    participle = unit.kind == "word" and (
        PARTICIPLE.match(unit.text.rpartition("-")[2]) is not None or _like_an_adjective(unit, strictly)
    )
    return unit.kind == "adjective" or unit.text in PASSING or (participle and not strictly)


def _passes(unit: Unit, strictly: bool) -> bool:
    """Whether a word between an adjective and its person is an adjective or an adverb itself."""
    return unit.text in PASSING or "-" in unit.text or _like_an_adjective(unit, strictly)


def _like_an_adjective(unit: Unit, strictly: bool) -> bool:
    """Whether an unknown word has an adjective's ending; strictly, one that no noun has."""
    return unit.kind == "word" and (CLOSE_ADJECTIVE if strictly else ADJECTIVE).match(unit.text) is not None


def with_implied_persons(units: Units) -> Units:
    """The units, with unknown words made persons where "male" or "female" describes them: "a female warlock"."""
    implied = {place for step, unit in enumerate(units) if (place := _implied(units, step)) is not None and unit}
    return tuple(replace(unit, kind="person") if place in implied else unit for place, unit in enumerate(units))


def _implied(units: Units, place: int) -> int | None:
    """The last word of the noun phrase that a word for a sex begins, unless a thing, an animal or a person is in it."""
    if units[place].kind != "adjective" or not names_a_sex(units[place]):
        return None
    last, step = None, place + 1
    while (unit := at(units, step)) is not None and step - place <= LONGEST_PHRASE:
        if unit.kind == "person" or (unit.kind in ("animal", "thing") and not _is_agent(at(units, step + 1))):
            return None
        if unit.kind in ("function", "mark", "pronoun") or (last is not None and PARTICIPLE.match(unit.text)):
            break
        if unit.kind == "word" and unit.text not in PASSING and unit.text[0].isalpha():
            last = None if PARTICIPLE.match(unit.text) else step
        step += 1
    return last


def _is_person(unit: Unit | None) -> bool:
    return unit is not None and unit.kind == "person"


def _is_agent(unit: Unit | None) -> bool:
    """A person noun that says no attribute itself: driver, owner, and unknown words with such an ending."""
    if unit is None or not unit.silent:
        return False
    return unit.kind == "person" or (unit.kind == "word" and AGENT.match(unit.text) is not None)


def _end_of_compound(units: Units, place: int, *, strictly: bool) -> int | None:
    """The last noun of "police officer", "boy scout"; None where it only describes a thing: "chef hat"."""
    while _is_person(following := at(units, place + 1)) and joins(units[place], units[place + 1]):
        place += 1
    owns = units[place].text.endswith("'s")
    if following is not None and following.kind in ("thing", "animal") and units[place].silent and not owns:
        return None
    return None if strictly and units[place].text in english.ALSO_THINGS else place


def joins(first: Unit, second: Unit) -> bool:
    """Whether two neighbouring person nouns name one person: "woman firefighter", "priestess girl", not "man woman"."""
    return first.silent or second.silent or (first.names_a_role and not second.names_a_role)


def follows_person(units: Units, place: int) -> int | None:
    """Where the person is that an adjective after it describes: "a man, young", "the woman is old", "male asian"."""
    if not _closes(units, place):
        return None
    step = place - 1
    while (unit := at(units, step)) is not None and (unit.kind == "adjective" or unit.text in english.ADVERBS):
        if names_a_sex(unit) and reads_alone(units, step):
            return step
        step -= 1
    if unit is None:
        return None
    if unit.text in english.COPULAS:
        step -= 1
        while (unit := at(units, step)) is not None and unit.text in {"who", "that", *english.COPULAS}:
            step -= 1
    return step if unit is not None and (unit.kind == "person" or unit.text in {"he", "she", "they"}) else None


def _closes(units: Units, place: int) -> bool:
    """Whether no noun follows that the adjective could describe."""
    step = place + 1
    while (unit := at(units, step)) is not None and unit.kind == "adjective":
        step += 1
    return unit is None or unit.kind in ("mark", "function", "pronoun") or _is_modifier(unit)


def stands_as_tag(units: Units, place: int) -> bool:
    """Whether an adjective is, with others, all that stands between two marks: "portrait, young, asian"."""
    first, last = place, place
    while (unit := at(units, first - 1)) is not None and _belongs_to_tag(unit):
        first -= 1
    while (unit := at(units, last + 1)) is not None and _belongs_to_tag(unit):
        last += 1
    return all(unit is None or unit.kind == "mark" for unit in (at(units, first - 1), at(units, last + 1)))


def _belongs_to_tag(unit: Unit) -> bool:
    return unit.kind == "adjective" or unit.text in PASSING or unit.text == "and"


def reads_alone(units: Units, place: int) -> bool:
    """Whether an adjective stands for a person itself: "an Asian on a bench", "a male playing the cello"."""
    alone = units[place].meaning("alone")
    if alone is None:
        return False
    step = place - 1
    while (before := at(units, step)) is not None and _is_modifier(before):
        step -= 1
    article = before is not None and before.text in ARTICLES
    if not article and not names_a_sex(units[place]) and not units[place].text.endswith("olds"):
        return False
    after = at(units, place + 1)
    if after is None or after.kind in ("mark", "function", "adjective", "pronoun"):
        return True
    if names_a_sex(units[place]) and _is_portrayed(units, place):
        return True
    if after.kind != "word":
        return False
    singular = before is not None and before.text in SINGULAR
    named = at(units, place + 2)
    if named is not None and named.kind in ("thing", "animal"):  # "an Italian sports car"
        singular = False
    third_person = singular and after.text.endswith("s") and not after.text.endswith("ss")
    return PARTICIPLE.match(after.text) is not None or third_person or not after.text[0].isalpha()


def _is_portrayed(units: Units, place: int) -> bool:
    """Whether a word stands before a picture of a person: "male urban portrait photo", but not "male lion portrait"."""
    step = place + 1
    while (unit := at(units, step)) is not None and unit.text not in english.PICTURES:
        if unit.kind != "word" or step - place > PLAIN_WORDS:
            return False
        step += 1
    return unit is not None


def names_a_sex(unit: Unit) -> bool:
    """Whether the unit is a noun of its own even without an article, as "male" is."""
    alone = unit.meaning("alone")
    return alone is not None and bool(alone[0].words)
