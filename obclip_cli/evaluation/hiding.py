"""The candidates that are sent for each prompt of a dataset, under the configured privacy."""

import hashlib
import random
from dataclasses import dataclass, replace

from obclip_cli.config import PrivacyConfig
from obclip_cli.data import Sample
from obclip_cli.device.choice import Chooser
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import CandidateSet, check_prompt
from obclip_cli.prompts.detect_transformer import load_detector
from obclip_cli.prompts.reading import candidates_for
from obclip_cli.prompts.taxonomy import Taxonomy


@dataclass(frozen=True)
class Hidden:
    """A dataset's prompts, and the candidates that the cloud is sent for each.

    Attributes:
        samples, sets: in one order. Samples without labels take them from their prompt.
        left_out: prompts that cannot be hidden, and why; no method is run on them, so that all have the same ones.
    """

    samples: list[Sample]
    sets: list[CandidateSet]
    left_out: dict[str, str]


def hide_all(samples: list[Sample], privacy: PrivacyConfig, taxonomy: Taxonomy) -> Hidden:
    """Build every sample's candidates, and choose those that are sent.

    A score is to be the same on every machine: the client's secret and chance come from the sample, not from the user.
    """
    find = load_detector(privacy.detector)
    kept, sets, left_out = [], [], {}
    for sample in samples:
        try:
            prompt = check_prompt(sample.prompt)
            found = CandidateSet((prompt,), 0, {})
            if privacy.strategy != "none":
                found = candidates_for(prompt, taxonomy, privacy, find)
            key = hashlib.sha256(f"evaluation {sample.seed}".encode()).digest()
            choice = Chooser(taxonomy, privacy, key, random.Random(sample.seed)).choose(found)
        except UserError as error:
            left_out[sample.prompt] = str(error)
            continue
        kept.append(_labelled(sample, found))
        sets.append(choice.sent)
    return Hidden(kept, sets, left_out)


def _labelled(sample: Sample, found: CandidateSet) -> Sample:
    """With the attributes of its prompt, where that speaks of one person and the dataset gives none."""
    persons = {person for person, _ in found.slots}
    if sample.labels or len(persons) != 1:
        return sample
    return replace(sample, labels={attribute: value for (_, attribute), value in found.slots.items()})
