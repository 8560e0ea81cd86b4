"""Reading labels and captions from CLDR names; what is held out."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from obclip_cli.config import taxonomy_path
from obclip_cli.mini.art import STYLES, TONES, Art, arts_of, as_drawn, is_held_out, person_labels, read_table
from obclip_cli.mini.captions import prompt, wordings
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.detect import detect
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.resources import package_folder


@pytest.mark.parametrize(
    ("label", "role", "kind", "gender", "age"),
    [
        ("woman firefighter", "firefighter", "noun", "female", "adult"),
        ("man running: facing right", "running facing right", "after", "male", "adult"),
        ("person mountain biking", "mountain biking", "after", "", "adult"),
        ("man: red hair", "red hair", "with", "male", "adult"),
        ("deaf woman", "deaf", "before", "female", "adult"),
        ("old man", "", "after", "male", "old"),
        ("girl", "", "after", "female", "child"),
        ("woman in tuxedo", "in tuxedo", "after", "female", "adult"),
        ("mermaid", "mermaid", "noun", "female", "adult"),
        ("cook", "cook", "noun", "", "adult"),
    ],
)
def test_labels_of_people(label: str, role: str, kind: str, gender: str, age: str) -> None:
    assert person_labels(label) == {"role": role, "kind": kind, "gender": gender, "age": age}


@pytest.mark.parametrize("label", ["people wrestling", "kiss: woman, man", "women holding hands", "handshake"])
def test_groups_are_no_single_person(label: str) -> None:
    assert person_labels(label) is None


def firefighter(**changes: str) -> Art:
    labels = {"role": "firefighter", "kind": "noun", "gender": "female", "age": "adult", "tone": "dark"}
    return Art("0", "noto", "woman firefighter", "person", **(labels | changes))


def test_wordings_of_a_firefighter() -> None:
    texts = wordings(firefighter())
    assert "a woman firefighter with dark skin, noto style" in texts
    assert "a dark-skinned female firefighter" in texts
    assert "an adult woman firefighter with dark skin" in texts
    assert len(texts) == len(set(texts)) == 10
    assert prompt(firefighter()) == "a woman firefighter with dark skin, Noto style"


def test_every_wording_of_a_person_states_the_same_attributes() -> None:
    taxonomy = load_taxonomy(taxonomy_path("emoji"))
    for tone in TONES:
        for gender in ("male", "female"):
            for text in wordings(firefighter(tone=tone, gender=gender))[:4]:
                said = {v for span in detect(text, taxonomy) for v in span.values}
                assert said == {tone, gender}, text


def test_a_tenth_of_the_combinations_is_held_out_and_only_toned_people() -> None:
    arts = [
        firefighter(role=f"role {i}", tone=tone, gender=gender)
        for i in range(200)
        for tone in TONES
        for gender in ("male", "female")
    ]
    share = sum(map(is_held_out, arts)) / len(arts)
    assert 0.08 < share < 0.12
    assert not any(is_held_out(firefighter(role=f"role {i}", tone="")) for i in range(200))


def test_fluent_3d_pictures_get_the_tone_that_they_show() -> None:
    def shown(style: str = "fluent-3d", **changes: str) -> str | None:
        art = as_drawn(replace(firefighter(), style=style, **changes))
        return art.tone if art else None

    assert [shown(tone=tone) for tone in TONES] == ["light", "medium", "medium-light", "medium-dark", "dark"]
    assert shown(tone="medium", category="body") == "medium-light"
    assert shown(tone="medium", label="woman technologist") == "medium"
    assert shown(tone="medium", category="group") == "medium"
    assert shown(tone="medium", style="noto") == "medium"
    assert shown(tone="dark", label="person mountain biking") is None


def test_the_packaged_reference_set_is_held_out_people_with_usable_prompts() -> None:
    table = read_table(package_folder() / "mini" / "weights" / "reference" / "captions.csv")
    assert len(table) > 300 and set(table["style"]) == set(STYLES) and set(table["tone"]) == set(TONES)
    taxonomy = load_taxonomy(taxonomy_path("emoji"))
    kind = {"category": "person", "kind": "noun", "hexcode": "", "label": ""}
    named = [TONES["bcdef".index(re.search(r"-1f3f([b-f])", file)[1])] for file in table["file"]]  # type: ignore[index]
    for art, tone in zip(arts_of(table.drop(columns=["file", "caption"]).assign(**kind)), named, strict=True):
        assert is_held_out(replace(art, tone=tone))
    for caption in table["caption"]:
        found = build_candidates(caption, taxonomy, max_candidates=64)
        assert found.prompts[found.index] == caption
        assert len(found.prompts) >= 5


def test_tables_round_trip(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = pd.DataFrame([vars(firefighter(gender="")) | {"held_out": True}])
    rows.to_csv(tmp_path / "art.csv", index=False)
    assert arts_of(read_table(tmp_path / "art.csv")) == [firefighter(gender="")]
