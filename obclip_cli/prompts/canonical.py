"""A prompt in canonical words, so that a user's own spelling never reaches the cloud (arXiv 2510.04153, Theorem 1)."""

import unicodedata

from obclip_cli.errors import UserError
from obclip_cli.prompts.articles import agree
from obclip_cli.prompts.detect import Detector, Span, detect, said_values
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.readings import read

Slot = tuple[int, str]  # (person, attribute)
Assignment = dict[Slot, str]
SETTLING_ROUNDS = 6


def settle(prompt: str, taxonomy: Taxonomy, find: Detector = detect) -> tuple[str, list[Span]]:
    """The prompt in its own canonical words, and its spans.

    A canonical word may join its neighbours to a longer spelling ("old guy" becomes "old man"), or stand for two
    ("boy" becomes "young man"), so this is repeated until nothing changes.

    Raises:
        UserError: it never settles, or says a value that no candidate has.
    """
    prompt = " ".join(unicodedata.normalize("NFKC", prompt).split())
    for _ in range(SETTLING_ROUNDS):
        prompt = _without_animal_gender(prompt, taxonomy)
        spans = find(prompt, taxonomy)
        _check_hidden(spans, taxonomy)
        settled = render(prompt, spans, find_slots(spans, taxonomy), taxonomy)
        if settled == prompt:
            return prompt, spans
        prompt = settled
    raise UserError(f'the words of "{prompt}" can be read in several ways; put it more simply')


def find_slots(spans: list[Span], taxonomy: Taxonomy) -> Assignment:
    """The prompt's own values, ordered by person, then by the taxonomy's order of attributes."""
    order = list(taxonomy.attributes)
    said = said_values(spans, taxonomy)
    return dict(sorted(said.items(), key=lambda item: (item[0][0], order.index(item[0][1]))))


def render(prompt: str, spans: list[Span], assignment: Assignment, taxonomy: Taxonomy) -> str:
    """The prompt with every span replaced by the canonical word for `assignment`; a and an agree."""
    pieces: list[str] = []
    end = 0
    before: dict[int, frozenset[str]] = {}  # person -> attributes that adjectives before the noun have said
    for span in spans:
        form = taxonomy.form(span.form)
        left_out = before.get(span.person, frozenset())
        said = {attribute: assignment[span.person, attribute] for attribute in form.carries}
        between, word = prompt[end : span.start], taxonomy.word(form, said, left_out=left_out)
        if span.attributive and form.use == "adjective":
            if set(form.carries) <= left_out:  # "a young teenage girl" is a young woman
                between, word = between.rstrip(" ,"), ""
            before[span.person] = left_out | {*form.carries}
        pieces += [agree(between, word) if word else between, word]
        end = span.end
    return "".join(pieces) + prompt[end:]


def template(prompt: str, spans: list[Span]) -> tuple[object, ...]:
    """What all candidates of a prompt have in common: the text between spans, and each span's form and person."""
    ends = [0, *(span.end for span in spans)]
    between = [agree(prompt[end : span.start], "x") for end, span in zip(ends, spans, strict=False)]
    return (*between, prompt[ends[-1] :], *((span.form, span.person) for span in spans))


def _without_animal_gender(prompt: str, taxonomy: Taxonomy) -> str:
    """ "a woman whose dog wags his tail": were she a man, "his" would be read as the man's. It becomes "its"."""
    for reading in reversed(read(prompt, taxonomy)):
        if reading.instead:
            prompt = prompt[: reading.unit.start] + reading.instead + prompt[reading.unit.end :]
    return prompt


def _check_hidden(spans: list[Span], taxonomy: Taxonomy) -> None:
    for span in spans:
        for attribute, value in zip(taxonomy.form(span.form).carries, span.values, strict=True):
            known = taxonomy.attributes[attribute]
            if value not in known:
                raise UserError(
                    f'"{span.text}" says a value of {attribute} that cannot be hidden among {", ".join(known)}; '
                    f"leave the word out, or use a taxonomy that has the value (see taxonomy/{taxonomy.name}.yaml)"
                )
