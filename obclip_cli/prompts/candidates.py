"""The candidate set P of a prompt (arXiv 2510.04153, Algorithm 1 line 2 and Theorem 1).

The set is closed: every candidate of p has the same candidates as p, in the same order. So the
list says nothing about which of its members was typed.
"""

import itertools
import math
import random
import re
from dataclasses import dataclass

from obclip_cli.errors import UserError
from obclip_cli.prompts.detect import Span, detect
from obclip_cli.prompts.taxonomy import Taxonomy

Slot = tuple[int, str]  # (person, attribute)
Assignment = dict[Slot, str]
SETTLING_ROUNDS = 5
ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)


@dataclass(frozen=True)
class CandidateSet:
    """All candidates in canonical order, and where the prompt itself stands among them.

    Attributes:
        prompts: N candidate prompts; their order does not depend on the prompt's own values.
        index: the prompt's own place. Secret: it never leaves the device.
        slots: the sensitive attributes found, as (person, attribute) -> the prompt's value.
    """

    prompts: tuple[str, ...]
    index: int
    slots: Assignment


def count_candidates(slots: Assignment, taxonomy: Taxonomy) -> int:
    """N, the product of the value spaces of all slots."""
    return math.prod(len(taxonomy.attributes[attribute]) for _, attribute in slots)


def build_candidates(prompt: str, taxonomy: Taxonomy, *, max_candidates: int) -> CandidateSet:
    """Every combination of the values of the attributes that occur in the prompt.

    Raises:
        UserError: the prompt is empty, contradicts itself, or has more than `max_candidates` candidates.
    """
    prompt, spans = _settle(check_prompt(prompt), taxonomy)
    slots = find_slots(spans, taxonomy)
    check_count(slots, taxonomy, max_candidates)
    spaces = [taxonomy.attributes[attribute] for _, attribute in slots]
    assignments = [dict(zip(slots, values, strict=True)) for values in itertools.product(*spaces)]
    prompts = tuple(render(prompt, spans, assignment, taxonomy) for assignment in assignments)
    _check_closed(prompts, _template(prompt, spans), taxonomy)
    return CandidateSet(prompts, assignments.index(slots), slots)


def replaced_by_another(candidates: CandidateSet, secret: random.Random) -> CandidateSet:
    """Prompt replacement (Fig. 4): the cloud sees one random other candidate instead of the prompt.

    A baseline: it tells the cloud one candidate that is not the prompt.

    Args:
        secret: the client's own randomness. Were it the public seed, the cloud could repeat the choice for every
            candidate and see which of them leads here.
    """
    others = [prompt for place, prompt in enumerate(candidates.prompts) if place != candidates.index]
    if not others:
        return candidates
    return CandidateSet((secret.choice(others),), 0, candidates.slots)


def _settle(prompt: str, taxonomy: Taxonomy) -> tuple[str, list[Span]]:
    """The prompt in its own canonical words, and its spans.

    A canonical word may join its neighbours to a longer spelling ("old guy" becomes "old man"), so this
    is repeated until nothing changes.

    Raises:
        UserError: it never settles.
    """
    for _ in range(SETTLING_ROUNDS):
        spans = detect(prompt, taxonomy)
        settled = render(prompt, spans, find_slots(spans, taxonomy), taxonomy)
        if settled == prompt:
            return prompt, spans
        prompt = settled
    raise UserError(f'the words of "{prompt}" can be read in several ways; put it more simply')


def _template(prompt: str, spans: list[Span]) -> tuple[object, ...]:
    """What all candidates of a prompt have in common: the text between spans, and each span's form and person."""
    ends = [0, *(span.end for span in spans)]
    between = [_agree(prompt[end : span.start], "x") for end, span in zip(ends, spans, strict=False)]
    return (*between, prompt[ends[-1] :], *((span.form, span.person) for span in spans))


def _check_closed(prompts: tuple[str, ...], template: tuple[object, ...], taxonomy: Taxonomy) -> None:
    """Read every candidate again: with one template for all, each has the same candidates as the prompt.

    Raises:
        UserError: a value's word joins its neighbours, so that a candidate would be read differently.
    """
    for prompt in prompts:
        if _template(prompt, detect(prompt, taxonomy)) != template:
            raise UserError(f'the candidate "{prompt}" would be read differently from the prompt; put it more simply')


def check_prompt(prompt: str) -> str:
    """The prompt with single spaces.

    Raises:
        UserError: it is empty, too long or holds control characters.
    """
    if any(ord(c) < 32 and c not in "\t\n\r" for c in prompt):
        raise UserError("the prompt holds control characters; type plain text")
    prompt = " ".join(prompt.split())
    if not prompt:
        raise UserError('the prompt is empty; type one, as in: obclip generate "a woman firefighter with dark skin"')
    if len(prompt) > 2000:
        raise UserError(f"the prompt has {len(prompt)} characters; shorten it to 2000")
    return prompt


def find_slots(spans: list[Span], taxonomy: Taxonomy) -> Assignment:
    """The prompt's own values, ordered by person, then by the taxonomy's order of attributes."""
    said: Assignment = {}
    for span in spans:
        said |= {(span.person, a): v for a, v in zip(taxonomy.form(span.form).carries, span.values, strict=True)}
    order = list(taxonomy.attributes)
    return dict(sorted(said.items(), key=lambda item: (item[0][0], order.index(item[0][1]))))


def check_count(slots: Assignment, taxonomy: Taxonomy, max_candidates: int) -> None:
    """Refuse a set that is too large, naming the attribute whose removal helps most.

    Raises:
        UserError: N > max_candidates.
    """
    count = count_candidates(slots, taxonomy)
    if count <= max_candidates:
        return
    attribute = max((a for _, a in slots), key=lambda a: len(taxonomy.attributes[a]))
    raise UserError(
        f"this prompt has {count} candidates, more than privacy.max_candidates={max_candidates}; "
        f"leave out {attribute} ({len(taxonomy.attributes[attribute])} values), or raise privacy.max_candidates"
    )


def render(prompt: str, spans: list[Span], assignment: Assignment, taxonomy: Taxonomy) -> str:
    """The prompt with every span replaced by the canonical word for `assignment`; a and an agree."""
    pieces, end = [], 0
    for span in spans:
        form = taxonomy.form(span.form)
        word = form.words[tuple(assignment[span.person, attribute] for attribute in form.carries)]
        pieces.append(_agree(prompt[end : span.start], word))
        pieces.append(word)
        end = span.end
    return "".join(pieces) + prompt[end:]


def _agree(before: str, word: str) -> str:
    """Choose a or an for the word that follows; a capital A stays a capital."""
    article = ARTICLE.search(before)
    if article is None:
        return before
    first = article[1][0]
    chosen = first + ("n" if word[0] in "aeiou" else "")
    return before[: article.start()] + chosen + article[2]
