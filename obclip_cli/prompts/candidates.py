"""The candidate set P of a prompt (arXiv 2510.04153, Algorithm 1 line 2 and Theorem 1).

The set is closed: every candidate of p has the same candidates as p, in the same order. So the
list says nothing about which of its members was typed.
"""

import itertools
import math
import random
from dataclasses import dataclass

from obclip_cli.errors import UserError
from obclip_cli.prompts.canonical import Assignment, Slot, find_slots, outside_words, render, settle, template
from obclip_cli.prompts.detect import Detector, detect
from obclip_cli.prompts.forms import Taxonomy
from obclip_cli.prompts.prompt_text import check_prompt

__all__ = ["CandidateSet", "Slot", "build_candidates", "check_prompt", "count_candidates", "find_slots"]


@dataclass(frozen=True)
class CandidateSet:
    """All candidates in canonical order, and where the prompt itself stands among them.

    Attributes:
        prompts: N candidate prompts; their order does not depend on the prompt's own values.
        index: the prompt's own place. Secret: it never leaves the device.
        slots: the sensitive attributes found, as (person, attribute) -> the prompt's value.
        left_out: the prompt's words that no candidate has a value for. Secret.
    """

    prompts: tuple[str, ...]
    index: int
    slots: Assignment
    left_out: tuple[str, ...] = ()


def count_candidates(slots: Assignment, taxonomy: Taxonomy) -> int:
    """N, the product of the value spaces of all slots."""
    return math.prod(len(taxonomy.attributes[attribute]) for _, attribute in slots)


def build_candidates(prompt: str, taxonomy: Taxonomy, *, max_candidates: int, find: Detector = detect) -> CandidateSet:
    """Every combination of the values of the attributes that occur in the prompt.

    Args:
        find: what finds the attributes, see `detect_transformer.load_detector`.

    Raises:
        UserError: the prompt is empty, contradicts itself, says a value that no candidate has, or has more than
            `max_candidates` candidates.
    """
    typed = check_prompt(prompt)
    prompt, spans = settle(typed, taxonomy, find)
    slots = find_slots(spans, taxonomy)
    check_count(slots, taxonomy, max_candidates)
    spaces = [taxonomy.attributes[attribute] for _, attribute in slots]
    assignments = [dict(zip(slots, values, strict=True)) for values in itertools.product(*spaces)]
    prompts = tuple(render(prompt, spans, assignment, taxonomy) for assignment in assignments)
    _check_closed(prompts, template(prompt, spans), taxonomy, find)
    return CandidateSet(prompts, assignments.index(slots), slots, outside_words(typed, taxonomy, find))


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


def _check_closed(prompts: tuple[str, ...], own: tuple[object, ...], taxonomy: Taxonomy, find: Detector) -> None:
    """Read every candidate again: with one template for all, each has the same candidates as the prompt.

    Raises:
        UserError: a value's word joins its neighbours, so that a candidate would be read differently.
    """
    for prompt in prompts:
        if template(prompt, find(prompt, taxonomy)) != own:
            raise UserError(f'the candidate "{prompt}" would be read differently from the prompt; put it more simply')


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
