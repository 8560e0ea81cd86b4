"""Read a prompt: which of its words say something about a person, and about whom."""

import itertools
from dataclasses import replace
from functools import lru_cache

from obclip_cli.prompts import english
from obclip_cli.prompts.after import Mention, said_after
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
    with_implied_persons,
)
from obclip_cli.prompts.nouns import is_of_chess, means_a_person
from obclip_cli.prompts.pronouns import antecedent, stands_before_a_noun, unnamed
from obclip_cli.prompts.sentence import Unit, cut

NEUTER = {"himself": "itself", "herself": "itself", "his": "its", "hers": "its"}
REACH = 3  # words between an adjective that is always read and its noun


@lru_cache(maxsize=4096)  # every candidate of a prompt is read again
def find_mentions(prompt: str, taxonomy: Taxonomy) -> tuple[Mention, ...]:
    """All mentions, left to right; pronouns that mean an animal are among them."""
    units = with_implied_persons(cut(prompt, taxonomy))
    nouns = {place: noun for place in range(len(units)) if (noun := _noun(units, place)) is not None}
    anchors = _anchors(units, nouns)
    found = {
        place: Mention(units[place], *noun, anchors[place], weak=units[place].text in noun[0].unmarked)
        for place, noun in nouns.items()
    }
    for place, unit in enumerate(units):
        mention = _adjective(unit, units, place, anchors) or said_after(units, place, anchors, taxonomy)
        if place not in nouns and mention is not None:
            found[place] = mention
    found = _without_needless(found)
    found |= _pronouns(units, taxonomy, anchors, found)
    found = {place: _of_pronoun(mention, found, units) for place, mention in _apart(units, found).items()}
    kept = [p for p in sorted(found) if found[p].anchor is not None or units[p].kind == "pronoun"]
    return tuple(found[place] for place in kept)


def _without_needless(found: dict[int, Mention]) -> dict[int, Mention]:
    """Without nouns of all genders that an adjective before them tells the gender of: "a female hero"."""
    said = {(m.anchor, m.form.carries) for m in found.values() if m.attributive}
    return {place: m for place, m in found.items() if not (m.weak and (m.anchor, m.form.carries) in said)}


def _noun(units: Units, place: int) -> tuple[Form, Values] | None:
    """What the unit says as the noun of a person, if it is one."""
    unit = units[place]
    if (always := unit.meaning("always")) is not None:
        return always if always[0].names_a_person else None
    if unit.meaning("adjective") is not None and described(units, place, strictly=unit.kind == "person") is not None:
        return None
    noun, alone = unit.meaning("noun"), unit.meaning("alone")
    if noun is not None:
        return noun if means_a_person(units, place, noun[0]) and not is_of_chess(units, place) else None
    if alone is None or not reads_alone(units, place):
        return None
    before = follows_person(units, place) if names_a_sex(unit) else None
    return alone if before is None or units[before].meaning("adjective") else None  # "teen male", but "man, male"


def _anchors(units: Units, nouns: dict[int, tuple[Form, Values]]) -> dict[int, int]:
    """For the place of every person noun, the place of the last noun of its compound: "woman firefighter"."""
    persons = [place for place, unit in enumerate(units) if place in nouns or (unit.kind == "person" and unit.silent)]
    anchors: dict[int, int] = {}
    compound: list[int] = []
    for place in persons:
        speaking = [p for p in (*compound, place) if not units[p].silent and not units[p].names_a_role]
        if not (compound and len(speaking) < 2 and _next_to(units, compound[-1], place)):
            compound = []
        compound.append(place)
        anchors |= dict.fromkeys(compound, place)
    return anchors


def _next_to(units: Units, first: int, second: int) -> bool:
    """Whether two nouns name one person: neighbours, or a role with adjectives after it ("princess young woman")."""
    between = units[first + 1 : second]
    adjectives = units[first].names_a_role and all(unit.kind == "adjective" for unit in between)
    return (not between or adjectives) and joins(units[first], units[second])


def _adjective(unit: Unit, units: Units, place: int, anchors: dict[int, int]) -> Mention | None:
    """The unit as something said of a person that another word names."""
    if (always := unit.meaning("always")) is not None:
        return Mention(
            unit, *_in_context(always, unit, units, place), *_always_anchor(always[0], units, place, anchors)
        )
    adjective = unit.meaning("adjective")
    if adjective is None:
        return None
    strictly = unit.text in adjective[0].only_before | adjective[0].before_own
    head = described(units, place, strictly=strictly)
    if unit.text in adjective[0].before_own and not (
        head is not None and _says_too(units[place + 1 : head + 1], adjective[0])
    ):
        return None
    if strictly and is_of_chess(units, place):
        return None
    if head is not None:
        return Mention(unit, *adjective, anchors[head], attributive=True) if head in anchors else None
    if strictly:
        return None
    head = follows_person(units, place)
    if head is not None and (head in anchors or units[head].kind == "pronoun" or units[head].text == "they"):
        if unit.meaning("after") is None or units[place - 1].text in english.COPULAS | english.ADVERBS:
            return Mention(unit, *adjective, anchors.get(head, head))
        return None  # not "a man young", but "a man aged 25"
    if unit.meaning("after") is not None and any(p < place for p in anchors):
        return None
    if stands_as_tag(units, place) and _is_about_persons(units, anchors):
        return Mention(unit, *adjective, _nearest(place, anchors))
    return None


def _says_too(units: Units, form: Form) -> bool:
    """Whether a noun says an attribute of the form itself, as "girl" says an age."""
    nouns = [other for unit in units if unit.kind == "person" for other, _ in unit.meanings]
    return any(set(other.carries) & set(form.carries) for other in nouns)


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
    units: Units, taxonomy: Taxonomy, anchors: dict[int, int], found: dict[int, Mention]
) -> dict[int, Mention]:
    pronouns: dict[int, Mention] = {}
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
        pronouns[place] = Mention(unit, form, values, anchor, instead=instead)
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


def _apart(units: Units, found: dict[int, Mention]) -> dict[int, Mention]:
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


def _of_pronoun(reading: Mention, found: dict[int, Mention], units: Units) -> Mention:
    """What is said of "he" is said of his person."""
    anchor = reading.anchor
    if anchor is None or anchor < 0 or units[anchor].kind == "person" or anchor == -1:
        return reading
    return (
        replace(reading, anchor=found[anchor].anchor)
        if anchor in found and units[anchor].kind == "pronoun"
        else reading
    )
