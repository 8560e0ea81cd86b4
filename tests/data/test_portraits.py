"""The candidate-prompt dataset: quoted templates, and our own for emoji."""

from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.data import Sample
from obclip_cli.data.templates import FOLDER, load_templates
from obclip_cli.errors import UserError
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.prompts.taxonomy import load_taxonomy
from tests.data import load


def test_the_papers_templates_are_its_ten_and_marked_as_quoted() -> None:
    content = yaml.safe_load((FOLDER / "paper.yaml").read_text())
    assert content["quoted"] is True and len(content["templates"]) == 10
    assert not load_templates("emoji").quoted
    assert all(all(f"${name}" in text for name in ("age", "ethnicity", "gender")) for text in content["templates"])


@pytest.mark.parametrize(("name", "numbers"), [("paper", (2, 6, 30)), ("emoji", (2, 10, 30))])
@pytest.mark.parametrize("attributes", [1, 2, 3])
def test_every_prompt_has_the_candidates_of_its_attributes(
    name: str, numbers: tuple[int, ...], attributes: int
) -> None:
    """Every template with every combination of values, so no draw can be one that cannot be hidden."""
    templates, candidates = load_templates(name), numbers[attributes - 1]
    every = [
        Sample(templates.fill(text, values), 0, values)
        for text in templates.templates
        for values in templates.assignments(attributes)
    ]
    hidden = hide_all(every, PrivacyConfig(), load_taxonomy(taxonomy_path(name)))
    assert hidden.left_out == {} and len(hidden.samples) == 10 * candidates
    assert {len(found.prompts) for found in hidden.sets} == {candidates}
    for found, sample in zip(hidden.sets, hidden.samples, strict=True):
        assert {attribute: value for (_, attribute), value in found.slots.items()} == sample.labels


def test_draws_depend_on_the_seed_only_and_reach_every_template() -> None:
    dataset = load("portraits", "dataset.limit=300")
    first = dataset.samples(0)
    assert first == dataset.samples(0) != dataset.samples(1)
    assert len({s.seed for s in first}) == 300
    assert min(Counter(s.labels["ethnicity"] for s in first).values()) > 30
    assert len({s.prompt.rpartition(s.labels["gender"])[2] for s in first}) >= 9


def test_what_is_left_out_leaves_no_trace() -> None:
    templates = load_templates("paper")
    texts = [templates.fill(text, {"gender": "female"}) for text in templates.templates]
    assert not any("$" in text or "  " in text or " ," in text for text in texts)
    assert "around her eyes" in texts[5]
    assert templates.fill(templates.templates[0], {"gender": "male", "age": "old"}).startswith(
        "headshots portrait with an old male covered"
    )
    emoji = load_templates("emoji")
    assert emoji.fill("a $person bowing $skin", {"gender": "male"}) == "a man bowing"
    values = {"gender": "female", "tone": "dark", "age": "old"}
    assert emoji.fill("a $person bowing $skin", values) == "an old woman bowing with dark skin"


def test_references_are_none_a_folder_or_the_emoji_art(tmp_path: Path) -> None:
    assert list(load("portraits").references(0)) == []
    art = torch.cat(list(load("portraits", "dataset.references=package:mini/weights/reference").references(0)))
    assert art.shape[1:] == (3, 64, 64)
    for i in range(3):
        Image.new("RGB", (20, 30 + i)).save(tmp_path / f"{i}.png")
    images = list(load("portraits", f"dataset.references={tmp_path}", "dataset.size=32").references(0))
    assert images[0].shape == (3, 3, 32, 32)
    with pytest.raises(UserError, match=r"1\.png has another size than"):
        list(load("portraits", f"dataset.references={tmp_path}").references(0))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("dataset.attributes=4", r"dataset\.attributes=4 must lie in 1\.\.3"),
        ("dataset.limit=0", r"dataset\.limit=0"),
        ("dataset.templates=papper", "did you mean paper"),
        ("dataset.references=/nowhere", "no folder /nowhere"),
    ],
)
def test_bad_settings_are_one_line(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load("portraits", override).references(0)
