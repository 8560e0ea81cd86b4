"""Whether a noun such as "boy" or "mother" means a person here, and not a thing's or an animal's name."""

from obclip_cli.prompts import english
from obclip_cli.prompts.english import words
from obclip_cli.prompts.forms import Form
from obclip_cli.prompts.heads import PARTICIPLE, Units, at

PLACES = words("restroom restrooms bathroom bathrooms washroom washrooms toilet toilets lavatory urinal urinals")
YOUNG_ANIMALS = words("calf calves cub cubs foal foals lamb lambs fawn ducklings goslings joey piglets chicks")
PETS = words("dog dogs puppy puppies cat cats kitten kittens teddy pet pets doll bear")
OWN = words("its it's her his their")
APOSTROPHES = frozenset({"'s", "’s", "'", "’"})


PIECES = words("king kings queen queens bishop bishops knight knights")


def is_of_chess(units: Units, place: int) -> bool:
    """Whether a word names a piece of chess or its colour: "a black bishop on a chess board"."""
    if not any(unit.text.startswith(("chess", "checkmate")) for unit in units):
        return False
    near = {unit.text for unit in units[place : place + 2]}
    return bool(near & PIECES)


def means_a_person(units: Units, place: int, form: Form) -> bool:
    """Whether the noun at a place is a person."""
    following = at(units, place + 1)
    if following is not None and "gender" not in form.carries and following.kind in ("thing", "animal"):
        return False
    if _is_made_for(units, place) or _names_an_animal(units, place):
        return False
    if units[place].text in form.unmarked and not _ends_a_phrase(units, place):
        return False
    return not (form.of_animals_too and _is_an_animal(units, place))


def _names_an_animal(units: Units, place: int) -> bool:
    """A kind of animal called after a person: "king penguin", "monk seal"; but not "a woman dog walker"."""
    following, after = at(units, place + 1), at(units, place + 2)
    if following is None or following.kind != "animal" or units[place].text not in english.SPECIES_FIRST:
        return False
    return after is None or not (after.kind == "person" or PARTICIPLE.match(after.text))


def _ends_a_phrase(units: Units, place: int) -> bool:
    """Whether no noun follows that the word would only describe: not "hero suit", "actor friend", "god rays"."""
    following = at(units, place + 1)
    if following is None or following.kind in ("mark", "function", "pronoun", "adjective"):
        return True
    if following.kind != "word" or units[place].text in english.MODIFIERS:
        return False
    after = at(units, place + 2)
    if following.text in english.MODIFIERS:  # "a hero lost in a city"
        return after is None or after.kind in ("mark", "function")
    return PARTICIPLE.match(following.text) is not None or (
        following.text.endswith("s") and not following.text.endswith("ss")
    )


def _is_made_for(units: Units, place: int) -> bool:
    """A place or goods for a kind of person: "the women's public restroom", "kids' toys", "ladies dress shoes"."""
    step = place + 1
    while (unit := at(units, step)) is not None and (unit.text in APOSTROPHES or unit.text in english.MODIFIERS):
        step += 1
    if unit is None:
        return False
    return unit.text in PLACES or (_is_plural(units[place].text) and unit.text in english.MADE_FOR)


def _is_plural(text: str) -> bool:
    if text in ("mans", "womans"):
        return False
    return text.endswith(("men", "children")) or (text.endswith("s") and not text.endswith("ss"))


def _is_an_animal(units: Units, place: int) -> bool:
    """Whether a family word belongs to an animal: "mother cat", "baby polar bear", "a giraffe and its baby"."""
    before = at(units, place - 1)
    if before is not None and before.kind == "animal":
        return True
    step = place + 1
    while (unit := at(units, step)) is not None and unit.kind in ("word", "adjective") and step - place <= 3:
        if unit.text.endswith(("ing", "s")):
            break
        step += 1
    if unit is not None and unit.kind == "animal":
        return True
    if unit is not None and unit.text in ("and", "with", "&", "or"):
        return _kin_is_an_animal(units, step + 1)
    return _follows_an_animal(units, place)


def _kin_is_an_animal(units: Units, place: int) -> bool:
    """Whether what is named with it is an animal: "mother and baby zebra", "a mother and her calf"."""
    while (unit := at(units, place)) is not None and (unit.text in OWN or unit.kind == "function"):
        place += 1
    if unit is None:
        return False
    if any(form.of_animals_too for form, _ in unit.meanings):
        return _is_an_animal(units, place)
    return unit.text in YOUNG_ANIMALS


def _follows_an_animal(units: Units, place: int) -> bool:
    """Whether an animal, and no person, was named before and the word is tied to it."""
    before = units[:place]
    animals = [unit for unit in before if unit.kind == "animal"]
    persons = [
        unit
        for unit in before
        if unit.kind == "person"
        and unit.text not in english.ALSO_THINGS
        and not any(form.of_animals_too for form, _ in unit.meanings)
    ]
    if not animals or persons:
        return False
    near = {unit.text for unit in before[-3:]}
    return bool(near & OWN) or (bool(near & {"and", "with"}) and animals[-1].text not in PETS)


def describes_no_person(units: Units, place: int) -> bool:
    """Whether a word plainly says something of a thing or an animal: "old house", "a baby elephant", "his" of a dog."""
    unit = units[place]
    if unit.kind == "pronoun":
        return any(other.kind == "animal" for other in units)
    if is_of_chess(units, place) or _names_an_animal(units, place) or _is_made_for(units, place):
        return True
    for step in range(place + 1, min(place + 5, len(units))):
        if units[step].kind in ("thing", "animal"):
            return True
        if units[step].kind in ("function", "mark", "person"):
            break
    return any(form.of_animals_too for form, _ in unit.meanings) and _is_an_animal(units, place)
