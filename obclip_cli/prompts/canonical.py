"""A prompt in canonical words, so that a user's own spelling never reaches the cloud (arXiv 2510.04153, Theorem 1)."""

import itertools
import re
import unicodedata

from obclip_cli.errors import UserError
from obclip_cli.prompts.articles import agree
from obclip_cli.prompts.detect import Detector, Span, detect, said_values
from obclip_cli.prompts.english import FUNCTION_WORDS
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.mentions import find_mentions

Slot = tuple[int, str]  # (person, attribute)
Assignment = dict[Slot, str]
SETTLING_ROUNDS = 8
NUMBERED = re.compile(r"\b(\d+\+?)((?:boy|girl|m[ae]n|wom[ae]n|male|female)s?)\b", re.IGNORECASE)  # "2girls"
PHRASE_ENDS = re.compile(rf"[^\w\s'’-]|\b(?:{'|'.join(map(re.escape, FUNCTION_WORDS))})\b", re.IGNORECASE)
LEFT_OUT = "\0"  # stands where a word was left out; no prompt holds it


def settle(prompt: str, taxonomy: Taxonomy, find: Detector = detect) -> tuple[str, list[Span]]:
    """The prompt in its own canonical words, and its spans.

    A canonical word may join its neighbours to a longer spelling ("old guy" becomes "old man"), or stand for two
    ("boy" becomes "young man"), so this is repeated until nothing changes. A value that no candidate has is left out.

    Raises:
        UserError: it never settles, or a value that no candidate has cannot be left out.
    """
    prompt = NUMBERED.sub(r"\1 \2", " ".join(unicodedata.normalize("NFKC", prompt).split()))
    found = 0  # a word that is read must still be read in its canonical spelling, or its value would stay in sight
    for _ in range(SETTLING_ROUNDS):
        prompt = _without_outside_origins(_without_animal_gender(prompt, taxonomy), taxonomy)
        spans = find(prompt, taxonomy)
        slots = find_slots(spans, taxonomy)
        _check_can_be_left_out(spans, slots, taxonomy)
        if len(slots) < found:
            break
        found = sum(value in taxonomy.attributes[attribute] for (_, attribute), value in slots.items())
        if (ordered := _in_order(prompt, spans, taxonomy)) != prompt:
            prompt = ordered
            continue
        settled = render(prompt, spans, slots, taxonomy)
        if settled == prompt:
            return prompt, spans
        prompt = settled
    raise UserError(f'the words of "{prompt}" can be read in several ways; put it more simply')


def outside_words(prompt: str, taxonomy: Taxonomy, find: Detector = detect) -> tuple[str, ...]:
    """Words whose values no candidate has: they are left out of what the cloud sees."""
    spans = find(prompt, taxonomy)
    return tuple(span.text for span in spans if _outside(span, find_slots(spans, taxonomy), taxonomy))


def find_slots(spans: list[Span], taxonomy: Taxonomy) -> Assignment:
    """The prompt's own values, ordered by person, then by the taxonomy's order of attributes."""
    order = list(taxonomy.attributes)
    said = said_values(spans, taxonomy)
    return dict(sorted(said.items(), key=lambda item: (item[0][0], order.index(item[0][1]))))


def render(prompt: str, spans: list[Span], assignment: Assignment, taxonomy: Taxonomy) -> str:
    """The prompt with every span replaced by the canonical word for `assignment`; a and an agree."""
    text, end = "", 0
    before: dict[int, frozenset[str]] = {}  # person -> attributes that adjectives before the noun have said
    for span in spans:
        form = taxonomy.form(span.form)
        said = {attribute: assignment[span.person, attribute] for attribute in form.carries}
        left_out = before.get(span.person, frozenset()) | _outside(span, assignment, taxonomy)
        text = join(text, prompt[end : span.start])
        end = span.end
        if not _is_adjective(span, taxonomy):
            word = taxonomy.word(form, said, left_out=left_out)
            text = agree(text, word) + word if word else text.rstrip(" ") + LEFT_OUT
            continue
        before[span.person] = left_out | {*form.carries}
        if set(form.carries) <= left_out:  # "a young teenage girl" is a young woman
            text = text.rstrip(" ,") + LEFT_OUT
        else:
            text = agree(text, word := taxonomy.word(form, said)) + word
    return join(text, prompt[end:]).rstrip()


def join(text: str, following: str) -> str:
    """Add text, closing the gap where a word was left out before it."""
    if not text.endswith(LEFT_OUT):
        return text + following
    text, following = text.removesuffix(LEFT_OUT), following.lstrip(" ,")
    if text and not text.endswith(" ") and (following[:1].isalnum() or not following):
        text += " "
    return agree(text, following) + following if following else text


def _is_adjective(span: Span, taxonomy: Taxonomy) -> bool:
    return span.attributive and taxonomy.form(span.form).use == "adjective"


def _outside(span: Span, assignment: Assignment, taxonomy: Taxonomy) -> frozenset[str]:
    """The attributes of a span for which no candidate has its person's value."""
    carries = taxonomy.form(span.form).carries
    return frozenset(a for a in carries if assignment[span.person, a] not in taxonomy.attributes[a])


def template(prompt: str, spans: list[Span]) -> tuple[object, ...]:
    """What all candidates of a prompt have in common: the text between spans, and each span's form and person."""
    ends = [0, *(span.end for span in spans)]
    between = [agree(prompt[end : span.start], "x") for end, span in zip(ends, spans, strict=False)]
    return (*between, prompt[ends[-1] :], *((span.form, span.person) for span in spans))


def _without_animal_gender(prompt: str, taxonomy: Taxonomy) -> str:
    """ "a woman whose dog wags his tail": were she a man, "his" would be read as the man's. It becomes "its"."""
    for mention in reversed(find_mentions(prompt, taxonomy)):
        if mention.instead:
            prompt = prompt[: mention.unit.start] + mention.instead + prompt[mention.unit.end :]
    return prompt


def _in_order(prompt: str, spans: list[Span], taxonomy: Taxonomy) -> str:
    """ "an asian young woman" as "a young asian woman": nobody writes the first, so it would tell of a "girl"."""
    order = list(taxonomy.attributes)
    for first, second in itertools.pairwise(spans):
        forms = (taxonomy.form(first.form), taxonomy.form(second.form))
        between = prompt[first.end : second.start]
        apart = first.person != second.person or PHRASE_ENDS.search(between) is not None
        if apart or any(
            form.use != "adjective" or len(form.carries) != 1 or "gender" in form.carries for form in forms
        ):
            continue
        if order.index(forms[0].carries[0]) > order.index(forms[1].carries[0]) and first.attributive:
            rest = between.rstrip() + prompt[second.end :]
            return f"{prompt[: first.start]}{second.text} {first.text}{rest}"
    return prompt


def _without_outside_origins(prompt: str, taxonomy: Taxonomy) -> str:
    """ "a woman from Mexico" is "a woman": no candidate has that origin, and "from" would show the gap."""
    for mention in reversed(find_mentions(prompt, taxonomy)):
        said = zip(mention.form.carries, mention.values, strict=True)
        if mention.phrase and all(value not in taxonomy.attributes[attribute] for attribute, value in said):
            start, end = mention.phrase
            prompt = prompt[:start].rstrip() + prompt[end:]
    return prompt


def _check_can_be_left_out(spans: list[Span], slots: Assignment, taxonomy: Taxonomy) -> None:
    """ "a Mexican woman" is hidden as a woman; "the woman is Mexican" would show the gap."""
    for span in spans:
        outside = _outside(span, slots, taxonomy)
        if outside and not _is_adjective(span, taxonomy) and taxonomy.form(span.form).written_as is None:
            attribute = min(outside)
            raise UserError(
                f'"{span.text}" says a value of {attribute} that cannot be hidden among '
                f"{', '.join(taxonomy.attributes[attribute])}; put it before its noun, or leave it out"
            )
