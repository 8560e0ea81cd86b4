"""Prompts without their attributes."""

import random

import pytest

from obclip_cli.config import PrivacyConfig
from obclip_cli.device.choice import Chooser
from obclip_cli.prompts.attribute_free import without_attributes
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.taxonomy import Taxonomy

NEUTRAL = {
    "a woman firefighter with dark skin, Noto style": "a firefighter, Noto style",
    "a man surfing with medium-light skin": "a person surfing",
    "an old woman with red hair and dark skin": "a person with red hair",
    "a dark-skinned female firefighter": "a firefighter",
    "a boy, light skin": "a person",
    "two men and a woman talking": "two people and a person talking",
    "a photo of an old man and his dog": "a photo of a person and their dog",
    "a man with light skin and a beard": "a person with a beard",
    "a red house": "a red house",
}


@pytest.mark.parametrize(("prompt", "expected"), NEUTRAL.items())
def test_all_candidates_have_one_prompt_without_attributes(prompt: str, expected: str, taxonomy: Taxonomy) -> None:
    """So that the request tells nothing of which of them was typed."""
    found = build_candidates(prompt, taxonomy, max_candidates=64)
    assert {without_attributes(candidate, taxonomy) for candidate in found.prompts} == {expected}
    chooser = Chooser(taxonomy, PrivacyConfig("generalise"), None, random.Random(0))
    choice = chooser.choose(found)
    assert choice.sent.prompts == ((expected,) if len(found.prompts) > 1 else found.prompts)
    assert (choice.lambda_, choice.n) == (0.0, len(found.prompts))
