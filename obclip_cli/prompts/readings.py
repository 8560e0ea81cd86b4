"""Read a prompt: which of its words say something about a person, and about whom."""

import itertools
from dataclasses import dataclass, replace

from obclip_cli.prompts import english
from obclip_cli.prompts.forms import Form, Taxonomy, Values
from obclip_cli.prompts.heads import (
    COORDINATORS,
    Units,
    described,
    follows_person,
    joins,
    names_a_sex,
    reads_alone,
    stands_as_tag,
)
from obclip_cli.prompts.nouns import means_a_person
from obclip_cli.prompts.pronouns import antecedent, stands_before_a_noun, unnamed
from obclip_cli.prompts.sentence import Unit, cut

NEUTER = {"himself": "itself", "herself": "itself", "his": "its", "hers": "its"}
REACH = 3  # words between an adjective that is always read and its noun


@dataclass(frozen=True)
class Reading:
    """A unit that says values.

    Attributes:
        anchor: the place of the noun of its person, negative for somebody unnamed; None for a pronoun that means an
            animal.
        attributive: it stands before its noun.
        instead: for a pronoun whose gender alone tells that it means an animal and not the person before it, the word
            that says so without a gender.
    """

    unit: Unit
    form: Form
    values: Values
    anchor: int | None
    attributive: bool = False
    instead: str = ""


def read(prompt: str, taxonomy: Taxonomy) -> list[Reading]:
    """All readings, left to right; pronouns that mean an animal are among them."""
    units = cut(prompt, taxonomy)
    nouns = {place: noun for place in range(len(units)) if (noun := _noun(units, place)) is not None}
    anchors = _anchors(units, nouns)
    found = {place: Reading(units[place], *noun, anchors[place]) for place, noun in nouns.items()}
    for place, unit in enumerate(units):
        if place not in nouns and (reading := _adjective(unit, units, place, anchors)) is not None:
            found[place] = reading
    found |= _pronouns(units, taxonomy, anchors, found)
    found = {place: _of_pronoun(reading, found, units) for place, reading in _apart(units, found).items()}
    return [
        found[place] for place in sorted(found) if found[place].anchor is not None or units[place].kind == "pronoun"
    ]


def _noun(units: Units, place: int) -> tuple[Form, Values] | None:
    """What the unit says as the noun of a person, if it is one."""
    unit = units[place]
    if (always := unit.meaning("always")) is not None:
        return always if always[0].names_a_person else None
    if unit.meaning("adjective") is not None and described(units, place, strictly=unit.kind == "person") is not None:
        return None
    noun, alone = unit.meaning("noun"), unit.meaning("alone")
    if noun is not None:
        return noun if means_a_person(units, place, noun[0]) else None
    if alone is None or not reads_alone(units, place):
        return None
    before = follows_person(units, place) if names_a_sex(unit) else None
    return alone if before is None or units[before].meaning("adjective") else None  # "teen male", but "man, male"


def _anchors(units: Units, nouns: dict[int, tuple[Form, Values]]) -> dict[int, int]:
    """For the place of every person noun, the place of the last noun of its compound: "woman firefighter"."""
    persons = [
        place for place, unit in enumerate(units) if place in nouns or (unit.kind == "person" and not unit.meanings)
    ]
    anchors: dict[int, int] = {}
    compound: list[int] = []
    for place in persons:
        speaking = [p for p in (*compound, place) if units[p].meanings]
        if not (compound and compound[-1] == place - 1 and len(speaking) < 2 and joins(units[place - 1], units[place])):
            compound = []
        compound.append(place)
        anchors |= dict.fromkeys(compound, place)
    return anchors


def _adjective(unit: Unit, units: Units, place: int, anchors: dict[int, int]) -> Reading | None:
    """The unit as something said of a person that another word names."""
    if (always := unit.meaning("always")) is not None:
        return Reading(
            unit, *_in_context(always, unit, units, place), *_always_anchor(always[0], units, place, anchors)
        )
    adjective = unit.meaning("adjective")
    if adjective is None:
        return None
    strictly = unit.text in adjective[0].only_before
    head = described(units, place, strictly=strictly)
    if head is not None:
        return Reading(unit, *adjective, anchors[head], attributive=True) if head in anchors else None
    if strictly:
        return None
    head = follows_person(units, place)
    if head is not None and (head in anchors or units[head].kind == "pronoun" or units[head].text == "they"):
        return Reading(unit, *adjective, anchors.get(head, head))
    if stands_as_tag(units, place) and _is_about_persons(units, anchors):
        return Reading(unit, *adjective, _nearest(place, anchors))
    return None


def _is_about_persons(units: Units, anchors: dict[int, int]) -> bool:
    """Whether the prompt has a person, is a portrait, or says attributes only."""
    return (
        bool(anchors)
        or all(unit.text in english.PICTURES or unit.kind in ("adjective", "mark") for unit in units)
        or any(unit.text in english.PICTURES for unit in units)
    )


def _nearest(place: int, anchors: dict[int, int]) -> int:
    """The last person before a place, else the first after it, else somebody unnamed."""
    before = [p for p in anchors if p < place]
    return anchors[before[-1]] if before else next(iter(anchors.values()), unnamed(0))


def _always_anchor(form: Form, units: Units, place: int, anchors: dict[int, int]) -> tuple[int, bool]:
    """The person of a form that is read wherever it stands, and whether it stands before that person's noun."""
    named = {p: anchor for p, anchor in anchors.items() if units[p].meanings or form.decades} or anchors
    for step in range(place + 1, min(place + 2 + REACH, len(units))) if form.stands_before else ():
        if step in named:
            return named[step], True
        if units[step].text in {".", ";", "!", "?", "and"}:
            break
    return _nearest(place, named), False


def _in_context(meaning: tuple[Form, Values], unit: Unit, units: Units, place: int) -> tuple[Form, Values]:
    """Of the meanings that differ by what follows ("her"), the one that fits here."""
    if meaning[0].before_a_word is None:
        return meaning
    before_a_word = stands_before_a_noun(units, place)
    return next((m for m in unit.meanings if m[0].before_a_word is before_a_word), meaning)


def _pronouns(
    units: Units, taxonomy: Taxonomy, anchors: dict[int, int], found: dict[int, Reading]
) -> dict[int, Reading]:
    pronouns: dict[int, Reading] = {}
    for place, unit in enumerate(units):
        meaning = unit.meaning("pronoun")
        if meaning is None:
            continue
        form, values = _fitting(_in_context(meaning, unit, units, place), units, place, taxonomy)
        said = {
            r.anchor: r.values[r.form.carries.index(form.carries[0])]
            for r in found.values()
            if form.carries[0] in r.form.carries
        }
        gendered = [p for p in anchors if anchors[p] in said]
        noun = antecedent(units, place, [*anchors], gendered)
        anchor = noun if noun is None else anchors.get(noun, noun)
        instead = ""
        if any(u.kind == "animal" for u in units[:place]) and said.get(anchor, values[0]) != values[0]:
            anchor, instead = None, "its" if form.before_a_word else NEUTER.get(unit.text, "it")
        pronouns[place] = Reading(unit, form, values, anchor, instead=instead)
    return pronouns


def _fitting(meaning: tuple[Form, Values], units: Units, place: int, taxonomy: Taxonomy) -> tuple[Form, Values]:
    """Where "him" stands before a noun, read it as "his": whatever "her" would be, so that both are read alike."""
    form, values = meaning
    before_a_word = stands_before_a_noun(units, place)
    if form.before_a_word in (None, before_a_word):
        return meaning
    others = [
        f
        for f in taxonomy.forms
        if f.before_a_word is before_a_word and f.carries == form.carries and f.use == form.use
    ]
    return (others[0], values) if others else meaning


def _apart(units: Units, found: dict[int, Reading]) -> dict[int, Reading]:
    """Give "young" of "young and old women" a person of its own: adjectives of one kind that and, or join."""
    attributive = [p for p in sorted(found) if found[p].attributive and found[p].form.use == "adjective"]
    for first, second in itertools.pairwise(attributive):
        one, two = found[first], found[second]
        same = one.anchor == two.anchor and one.form.carries == two.form.carries and one.anchor is not None
        if same and any(unit.text in COORDINATORS for unit in units[first + 1 : second]):
            listed = {unit.text for unit in units[first + 1 : two.anchor]}
            if listed & {"and", "or", "&", "/"}:
                found[first] = replace(one, anchor=unnamed(first))
    return found


def _of_pronoun(reading: Reading, found: dict[int, Reading], units: Units) -> Reading:
    """What is said of "he" is said of his person."""
    anchor = reading.anchor
    if anchor is None or anchor < 0 or units[anchor].kind == "person" or anchor == -1:
        return reading
    return (
        replace(reading, anchor=found[anchor].anchor)
        if anchor in found and units[anchor].kind == "pronoun"
        else reading
    )
