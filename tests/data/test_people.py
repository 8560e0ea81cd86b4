"""Portraits of the people that art shows: what is asked for is what the references show."""

import pytest
import torch

from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.data.people import with_age
from obclip_cli.errors import UserError
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.prompts.taxonomy import load_taxonomy
from tests.data import load


@pytest.mark.parametrize(("attributes", "candidates", "pictures"), [(1, 2, 624), (2, 10, 342), (3, 30, 422)])
def test_every_picture_is_asked_for_and_its_prompt_has_the_candidates(
    attributes: int, candidates: int, pictures: int
) -> None:
    dataset = load("emoji_portraits", f"dataset.attributes={attributes}", "dataset.limit=1000")
    assert len(dataset.references(0)) == pictures
    shown, asked = {sample.prompt for sample in dataset.reference_samples()}, dataset.samples(0)
    assert {sample.prompt for sample in asked} == shown and len({sample.seed for sample in asked}) == 1000
    hidden = hide_all(dataset.reference_samples(), PrivacyConfig(), load_taxonomy(taxonomy_path("emoji")))
    assert hidden.left_out == {} and {len(found.prompts) for found in hidden.sets} == {candidates}
    for found, sample in zip(hidden.sets, hidden.samples, strict=True):
        said = {attribute: value for (_, attribute), value in found.slots.items()}
        assert said == {name: value for name, value in sample.labels.items() if name != "role"}


def test_with_a_skin_tone_grown_people_are_held_out() -> None:
    toned, emoji = load("emoji_portraits", "dataset.attributes=2"), load("emoji")
    assert {*toned.references(0).names} <= {*emoji.references(0).names}
    assert torch.cat(list(toned.references(0))).shape[1:] == (3, 64, 64)


def test_ages_are_said() -> None:
    assert with_age("a woman cook, Noto style") == "an adult woman cook, Noto style"
    assert with_age("a deaf man") == "a deaf adult man"


def test_bad_settings_are_one_line() -> None:
    with pytest.raises(UserError, match=r"dataset\.attributes=4 must lie in 1\.\.3"):
        load("emoji_portraits", "dataset.attributes=4")
