"""The candidates of a whole dataset, as the configured privacy asks for them."""

import random
from dataclasses import dataclass, replace

from obclip_cli.config import PrivacyConfig
from obclip_cli.data import Sample
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import CandidateSet, build_candidates, check_prompt, replaced_by_another
from obclip_cli.prompts.taxonomy import Taxonomy


@dataclass(frozen=True)
class Hidden:
    """A dataset's prompts with their candidates.

    Attributes:
        samples, sets: in one order. Samples without labels take them from their prompt.
        left_out: prompts that cannot be hidden, and why; no method is run on them, so that all have the same ones.
    """

    samples: list[Sample]
    sets: list[CandidateSet]
    left_out: dict[str, str]


def hide_all(samples: list[Sample], privacy: PrivacyConfig, taxonomy: Taxonomy) -> Hidden:
    """Build every sample's candidates."""
    kept, sets, left_out = [], [], {}
    for sample in samples:
        try:
            found = candidates_of(sample, privacy, taxonomy)
        except UserError as error:
            left_out[sample.prompt] = str(error)
            continue
        kept.append(_labelled(sample, found))
        sets.append(found)
    return Hidden(kept, sets, left_out)


def candidates_of(sample: Sample, privacy: PrivacyConfig, taxonomy: Taxonomy) -> CandidateSet:
    """What the cloud is sent for one sample.

    Raises:
        UserError: the prompt cannot be hidden.
    """
    prompt = check_prompt(sample.prompt)
    if privacy.strategy == "none":
        return CandidateSet((prompt,), 0, {})
    found = build_candidates(prompt, taxonomy, max_candidates=privacy.max_candidates)
    if privacy.strategy == "replacement":
        # A run is to be repeatable, and nobody attacks it: the client's secret is drawn from the sample.
        return replaced_by_another(found, random.Random(sample.seed))
    return found


def _labelled(sample: Sample, found: CandidateSet) -> Sample:
    """With the attributes of its prompt, where that speaks of one person and the dataset gives none."""
    persons = {person for person, _ in found.slots}
    if sample.labels or len(persons) != 1:
        return sample
    return replace(sample, labels={attribute: value for (_, attribute), value in found.slots.items()})
