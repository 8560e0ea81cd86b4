"""Users, schemes and what is recorded of them."""

import random
from pathlib import Path

import pandas as pd
import pytest

from obclip_cli import runs
from obclip_cli.attacks.transcript import FILE, read_transcripts
from obclip_cli.compose import compose_config
from obclip_cli.config import taxonomy_path
from obclip_cli.device.client import Query
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.game.controls import WordPerturbation
from obclip_cli.game.run import Arena, schemes_of, users_for
from obclip_cli.game.users import Users
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.prompts.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def arena(tiny_pair: list[str]) -> Arena:
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1"])
    return Arena(config, users=users_for(config, repeats=2, others=1, templates=2), answered=3, published=2)


@pytest.mark.parametrize(("name", "n", "templates"), [("emoji", 10, 16), ("paper", 30, 8)])
def test_every_prompt_is_read_as_meant_and_every_value_types_every_template(name: str, n: int, templates: int) -> None:
    taxonomy = load_taxonomy(taxonomy_path(name))
    users = list(Users(taxonomy, seed=0, repeats=1, others=2))
    assert len(users) == n * templates
    for start in range(0, len(users), n):
        together = users[start : start + n]
        assert len({user.now.candidates.prompts for user in together}) == 1
        assert sorted(user.now.candidates.index for user in together) == list(range(n))
    assert any(user.now.prompt not in user.now.candidates.prompts for user in users)  # some use words of their own
    for user in users:
        own = list(user.now.candidates.slots.values())
        assert [list(typed.candidates.slots.values()) for typed in user.before] == [own] * 3


def test_an_unknown_taxonomy_has_no_prompts() -> None:
    emoji = load_taxonomy(taxonomy_path("emoji"))
    with pytest.raises(UserError, match="no prompts for taxonomy mine"):
        Users(type(emoji)("mine", emoji.attributes, emoji.forms), seed=0, repeats=0, others=0)


def test_a_taxonomy_without_gender_is_played_in_neutral_pronouns(monkeypatch: pytest.MonkeyPatch) -> None:
    emoji = load_taxonomy(taxonomy_path("emoji"))
    mine = type(emoji)(
        "mine", {"tone": emoji.attributes["tone"]}, tuple(f for f in emoji.forms if f.carries == ("tone",))
    )
    wordings = {"tone": {value: [f"{value} skin"] for value in mine.attributes["tone"]}}
    prompts = {"mine": {"wordings": wordings, "templates": ["a cook with $tone, $their hat beside $them"]}}
    monkeypatch.setattr("obclip_cli.game.users._read", lambda: prompts)
    users = list(Users(mine, seed=0, repeats=1, others=0))
    assert len(users) == len(wordings["tone"])
    assert users[0].now.prompt == "a cook with light skin, their hat beside them"


def test_what_is_recorded_holds_no_truth(arena: Arena, tmp_path: Path) -> None:
    """Whoever p* is, the server's record of it is the same; the truth lies in another file."""
    folder = arena.play("all", schemes_of(arena, ["all"], 0.1)["all"], tmp_path)
    transcripts, truth = read_transcripts(folder), pd.read_csv(folder / "truth.csv")
    assert {path.name for path in folder.iterdir()} == {FILE, "truth.csv", runs.FINISHED}
    assert list(truth["place"]) == [*range(10), *range(10)] and set(truth["bound"]) == {0.1}
    assert len({t.seen.message for t in transcripts[:10]}) == 1
    assert len({t.past[0].message for t in transcripts[:10]}) == 1
    answered = [t.seen.rows_down is not None for t in transcripts]
    assert answered == [True] * 3 + [False] * 17
    assert transcripts[0].seen.rows_down == tuple(range(10))  # as the line between both saw it
    assert [t.published is not None for t in transcripts] == [True] * 2 + [False] * 18


def test_a_scheme_that_was_played_is_not_played_again(arena: Arena, tmp_path: Path) -> None:
    schemes = schemes_of(arena, ["fresh"], 0.1)
    first = (arena.play("fresh", schemes["fresh"], tmp_path) / FILE).read_bytes()
    assert (arena.play("fresh", schemes["fresh"], tmp_path) / FILE).read_bytes() == first


def test_word_perturbation_keeps_words_at_large_epsilon_and_draws_blindly_at_none() -> None:
    pipeline = load_pipeline(compose_config().pair.device, dtype="float32", device="cpu")
    query = Query("a woman with dark skin", CandidateSet((), 0, {}), 0)
    sent = {
        epsilon: [
            WordPerturbation(pipeline, epsilon)(query, random.Random(i)).candidates.prompts[0].split()
            for i in range(20)
        ]
        for epsilon in (0.0, 200.0)
    }
    assert all(words == query.prompt.split() for words in sent[200.0])
    kept = sum(word == own for words in sent[0.0] for word, own in zip(words, query.prompt.split(), strict=True))
    assert kept <= 5  # of 100 words, drawn from more than a thousand
