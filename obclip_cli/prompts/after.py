"""What is said of a person after its noun: "a woman, 34", "she is 30", "a man from Nigeria", "of Chinese descent"."""

from dataclasses import dataclass

from obclip_cli.prompts import english
from obclip_cli.prompts.ages import count
from obclip_cli.prompts.english import words
from obclip_cli.prompts.forms import Form, Taxonomy, Values
from obclip_cli.prompts.heads import PARTICIPLE, Units, at
from obclip_cli.prompts.sentence import Unit

ORIGINS = words("descent origin origins heritage ancestry ethnicity extraction background nationality roots parentage")
LOOKS = words("features looks appearance facial")
OF_BIRTH = words("born raised native hailing hails comes coming originally grew immigrant immigrants")
AGES = range(3, 111)
NEARLY = words("about around nearly almost only just over under now turning turned")
ENDS = words(", ) . ; ! | -")


@dataclass(frozen=True)
class Mention:
    """A unit that says values of a person.

    Attributes:
        anchor: the place of the noun of its person, negative for somebody unnamed; None for a pronoun that means an
            animal.
        attributive: it stands before its noun.
        instead: for a pronoun whose gender alone tells that it means an animal and not the person before it, the word
            that says so without a gender.
        weak: any other word about the person counts before it: "actor".
        phrase: the stretch that goes with it where no candidate has its value: "from Mexico"; None for the unit alone.
    """

    unit: Unit
    form: Form
    values: Values
    anchor: int | None
    attributive: bool = False
    instead: str = ""
    weak: bool = False
    phrase: tuple[int, int] | None = None


def said_after(units: Units, place: int, anchors: dict[int, int], taxonomy: Taxonomy) -> Mention | None:
    """The unit as something said after its person, if it is."""
    unit = units[place]
    if (aged := unit.meaning("after")) is not None:
        anchor = _nearest_before(place, anchors, aged[0])
        if unit.text.startswith("of ") and place - 1 not in anchors:  # "a war of nine years"
            return None
        return Mention(unit, *aged, anchor) if anchor is not None and _closes(units, place) else None
    if (origin := unit.meaning("place")) is not None:
        return _from_a_place(units, place, anchors, origin, taxonomy)
    if (adjective := unit.meaning("adjective")) is not None and adjective[0].combines:
        return _of_descent(units, place, anchors, adjective)
    return _age_in_figures(units, place, anchors, taxonomy)


def _of_descent(units: Units, place: int, anchors: dict[int, int], meaning: tuple[Form, Values]) -> Mention | None:
    """ "of Chinese descent", "with Japanese features"."""
    before, following = at(units, place - 1), at(units, place + 1)
    anchor = _nearest_before(place, anchors, meaning[0])
    joined = before is not None and before.text in ("of", "with", "has", "have")
    if following is None or anchor is None or units[place].text in meaning[0].only_before:
        return None
    if following.text not in LOOKS and not (joined and following.text in ORIGINS):
        return None
    start = before.start if before is not None and joined else units[place].start
    return Mention(units[place], *meaning, anchor, phrase=(start, following.end))


def _from_a_place(
    units: Units, place: int, anchors: dict[int, int], meaning: tuple[Form, Values], taxonomy: Taxonomy
) -> Mention | None:
    """ "from Nigeria", "born in Seoul" after a person; "india women" before one."""
    step, unit = place - 1, units[place]
    preposition = at(units, step)
    if place + 1 in anchors or preposition is None or preposition.text not in ("from", "in", "of"):
        adjective = next((f for f in taxonomy.forms if f.use == "adjective" and f.carries == meaning[0].carries), None)
        head = place + 1 if place + 1 in anchors else None
        if adjective is None or head is None or not adjective.words:
            return None
        return Mention(unit, adjective, meaning[1], anchors[head], attributive=True)
    while (
        (word := at(units, step - 1)) is not None
        and (word.text in OF_BIRTH | english.AUXILIARIES or word.text in ("and", "up"))
        and step - 1 not in anchors
    ):
        step -= 1
    person = step - 1
    birth = {unit.text for unit in units[max(person, 0) : place]} & OF_BIRTH
    if person not in anchors and (word is None or word.text not in ("he", "she", "they")):
        return None
    if preposition.text != "from" and not birth:
        return None
    if person not in anchors:
        return Mention(unit, *meaning, person)
    return Mention(unit, *meaning, anchors[person], phrase=(units[step].start, unit.end))


def _age_in_figures(units: Units, place: int, anchors: dict[int, int], taxonomy: Taxonomy) -> Mention | None:
    """ "a woman, 34", "(34)", "she is 30", "a girl of seven"."""
    years = count(units[place].text)
    form = next((form for form in taxonomy.forms if form.use == "number"), None)
    if form is None or years is None or years not in AGES or not _closes(units, place):
        return None
    values, step = form.values_at(years), place - 1
    while (unit := at(units, step)) is not None and unit.text in NEARLY:
        step -= 1
    if unit is None or values is None:
        return None
    if unit.text not in (",", "(", "of") and (unit.text in english.COPULAS or step < place - 1):
        step -= unit.text in english.COPULAS
        while (unit := at(units, step)) is not None and unit.text in ("who", "that"):
            step -= 1
        if unit is not None and unit.kind == "pronoun" and unit.text in ("he", "she"):
            return Mention(units[place], form, values, step)
    elif unit.text not in (",", "(", "of"):
        return None
    else:
        step -= 1
    noun = at(units, step)
    if step not in anchors or noun is None or (unit is not None and unit.text == "of" and not noun.meanings):
        return None
    return Mention(units[place], form, values, anchors[step])


def _closes(units: Units, place: int) -> bool:
    """Whether the phrase ends after a unit: no noun follows that it could belong to."""
    following = at(units, place + 1)
    if following is None or following.kind == "function" or PARTICIPLE.match(following.text):
        return True
    after = at(units, place + 2)
    decimal = after is not None and after.text[0].isdigit() and after.start == following.end
    return following.text in ENDS and not decimal


def _nearest_before(place: int, anchors: dict[int, int], form: Form) -> int | None:
    """The last person before a place, else the first after it."""
    before = [anchor for noun, anchor in anchors.items() if noun < place]
    return before[-1] if before else next(iter(anchors.values()), None)
