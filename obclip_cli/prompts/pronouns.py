"""Which person a pronoun means.

The choice looks at places and kinds of words only, never at values: otherwise two candidates of one
prompt could be read differently (closure, Theorem 1). A pronoun of another gender than its person's
is made to agree in what the cloud sees.
"""

import re

from obclip_cli.prompts import english
from obclip_cli.prompts.english import words
from obclip_cli.prompts.heads import Units, at
from obclip_cli.prompts.sentence import Unit

ANIMAL = None
NO_OBJECT = english.FUNCTION_WORDS - {"all", "both"} | english.ADVERBS | {"her", "his"}
SEEING = words("see sees saw seen watch watches watched watching hear hears heard help helps let lets make makes")
BARE_VERBS = words("eat drink play sleep walk run sit stand work cook swim dance sing fall jump ride read speak win")
PARTING = words(
    "goodbye goodnight farewell hello twice home outside inside upstairs downstairs forever everywhere yesterday today "
    "tonight tomorrow tenderly"
)
MANNER = re.compile(r"\w+(?:ate|ent|ing|arm|oft|iet|ight|iou?s|ful)ly$")  # "kissed her passionately"
OPENING = words('" “ ‘ [ { *')
POSSESSED = words("own two three four other first second new old")


def stands_before_a_noun(units: Units, place: int) -> bool:
    """Whether "her" is "his" here and not "him": a noun follows."""
    step = _past_opening_marks(units, place + 1)
    following, before = at(units, step), at(units, place - 1)
    if following is None or following.kind == "mark" or following.text in NO_OBJECT:
        return following is not None and following.text in POSSESSED
    if (following.text in PARTING or MANNER.match(following.text)) and _ends(units, step):
        return False
    acts = following.text in BARE_VERBS or following.text.endswith("ing")
    return not (acts and before is not None and before.text in SEEING)


def _past_opening_marks(units: Units, place: int) -> int:
    """The place of the first word of 'her "lucky" hat', "her [tiny] hat", "her (red:1.2) hat"."""
    step = place
    while (unit := at(units, step)) is not None and (unit.text in OPENING or _is_weighted(units, step)):
        step += 1
    return step


def _is_weighted(units: Units, place: int) -> bool:
    """Whether a bracket opens words that have a weight: "(red:1.2)"."""
    if units[place].text != "(":
        return False
    inside = [unit.text for unit in units[place + 1 :]]
    return ":" in inside[: inside.index(")")] if ")" in inside else False


def _ends(units: Units, place: int) -> bool:
    """Whether no noun follows: "hugged her goodbye", but "her goodbye party"."""
    following = at(units, place + 1)
    return following is None or following.kind in ("mark", "function")


def antecedent(units: Units, place: int, persons: list[int], gendered: list[int]) -> int | None:
    """The place of the noun that a pronoun means; a negative number for somebody unnamed, ANIMAL for an animal.

    Args:
        persons: places of all person nouns, in order.
        gendered: those that say a gender.
    """
    animals = [step for step, unit in enumerate(units) if unit.kind == "animal"]
    before = [step for step in persons if step < place]
    subject = _pronoun_subject(units, place)
    if subject is not None:  # "he kissed her": somebody else
        other = antecedent(units, subject, persons, gendered)
        others = [step for step in before if step in gendered and step != other]
        return others[-1] if others else unnamed(place)
    if not before:
        return _looking_ahead(place, persons, animals)
    animal_first = any(step < before[0] for step in animals)
    named = [step for step in before if step in gendered]
    if animal_first and not [step for step in named if not _owns(units, step)]:
        return ANIMAL
    nearest = before[-1] if _counts_years(at(units, place + 1)) else (named or before)[-1]
    if is_object(units, place) and _is_subject_of(units, nearest, place):
        others = [step for step in (named or before) if step != nearest]
        return others[-1] if others else unnamed(place)
    return nearest


def _counts_years(unit: Unit | None) -> bool:
    """Whether a decade follows: "a girl and a nurse in her forties" is about the nurse."""
    return unit is not None and any(form.decades for form, _ in unit.meanings)


def _owns(units: Units, place: int) -> bool:
    """Whether the noun is a possessor, "a man's shoe", which a pronoun rarely means where an animal acts."""
    following = at(units, place + 1)
    return units[place].text in ("mans", "womans") or (following is not None and following.text in ("'s", "’s"))


def unnamed(place: int) -> int:
    """A person of its own, known by the place of its first word."""
    return -2 - place


def _looking_ahead(place: int, persons: list[int], animals: list[int]) -> int | None:
    """Nobody was named before: "in his room, a man ..."; an animal if one was, or if only animals follow."""
    if any(step < place for step in animals) or (animals and not persons):
        return ANIMAL
    return persons[0] if persons else unnamed(0)


def is_object(units: Units, place: int) -> bool:
    """ "him", or "her" where no noun follows."""
    return any(form.before_a_word is False for form, _ in units[place].meanings) and not stands_before_a_noun(
        units, place
    )


def _pronoun_subject(units: Units, place: int) -> int | None:
    """The place of the pronoun that is the subject where an object pronoun stands, if its verb stands between."""
    if not is_object(units, place):
        return None
    subjects = [step for step in range(place) if units[step].text in ("he", "she")]
    return subjects[-1] if subjects and _is_subject_of(units, subjects[-1], place) else None


def _is_subject_of(units: Units, noun: int, place: int) -> bool:
    """Whether only a verb stands between a person and "him": "a woman saw him", which is not herself."""
    between = units[noun + 1 : place]
    if not between or between[-1].kind != "word":
        return False
    return all(unit.text in english.AUXILIARIES | english.ADVERBS for unit in between[:-1])
