"""The game on natural text, played on the package's corpora and a tiny random pair."""

import numpy as np
import pandas as pd
import pytest

from obclip_cli.attacks.corpus import PROMPTS, read_corpus
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.config import PrivacyConfig, taxonomy_path
from obclip_cli.game.edits import edited, intersected, links_by_seed
from obclip_cli.game.natural_text import folds, many_prompts, one_prompt, scored, typed
from obclip_cli.prompts.taxonomy import load_taxonomy
from tests.experiments.conftest import Reproduced

# Contexts that tell: a server that learns from one half knows the other.
TELLING = [
    f"a {who} {place} number {n}"
    for n in range(12)
    for who, place in (("man", "digs a hole"), ("woman", "reads a book"))
]
ALIKE = [f"a {who} {place}" for place in map(str, range(12)) for who in ("man", "woman")]


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return Knowledge(load_taxonomy(taxonomy_path("paper")))


@pytest.mark.slow
def test_every_question_has_its_rows_and_the_claims_are_computed(reproduced: Reproduced) -> None:
    table = reproduced.table("natural_text").set_index("question")
    assert {*table.index} >= {"one prompt", "many prompts", "edits", "re-rolls", "links by seed"}
    assert (table["success"].between(0, 1)).all() and (table.loc["one prompt", "called_from"].notna()).all()
    again = {claim.claim: claim.verdict.word for claim in reproduced.claims("natural_text")}
    assert again["Asking for the same prompt again tells a server nothing more (all, bucket)."] == "holds"
    assert len(again) == 3


@pytest.mark.parametrize(("texts", "tells"), [(TELLING, True), (ALIKE, False)])
def test_success_beyond_the_prior_is_what_contexts_tell(knowledge: Knowledge, texts: list[str], tells: bool) -> None:
    train, test, rng = (
        typed(texts, knowledge),
        typed([f"here {text}" for text in texts], knowledge),
        np.random.default_rng(0),
    )
    rows = scored(one_prompt(train, test, knowledge), ["attack", "attribute"], rng).set_index(["attack", "attribute"])
    found = rows.loc[("context", "gender")]
    assert found["prior"] == 0.5 and (found["low"] > 0) == tells
    assert rows.loc[("majority", "gender"), "beyond"] == 0
    many = many_prompts(train, test, knowledge, "gender", [1, 5], rng)["success"]
    assert (many.iloc[1] > 0.95) == tells


def test_no_opening_is_shared_between_what_is_learnt_and_what_is_tried(knowledge: Knowledge) -> None:
    prompts = typed(read_corpus(PROMPTS), knowledge)
    parts = list(folds(None, prompts))
    assert sum(len(guessed) for _, guessed in parts) == len(prompts) > 200
    opening = {prompt.text: prompt.opening for prompt in prompts}
    for texts, guessed in parts:
        assert texts and not {opening[text] for text in texts} & {prompt.opening for prompt in guessed}


def test_edits_narrow_blocks_down_and_re_rolls_do_not(knowledge: Knowledge) -> None:
    prompt = "a young asian woman in a garden"
    left = {attribute: len(c.prompts) for attribute, c in edited(prompt, knowledge.taxonomy).items()}
    assert left == {"age": 10, "gender": 15, "ethnicity": 6}
    everything, blocks = PrivacyConfig("all", 0.0, 64), PrivacyConfig("bucket", 0.1, 64)
    for edits in (True, False):
        bound, success = intersected([prompt], knowledge.taxonomy, everything, edits=edits).T
        np.testing.assert_allclose(success, bound)
    bound, success = intersected([prompt], knowledge.taxonomy, blocks, edits=False).T
    np.testing.assert_allclose(success, bound)
    bound, success = intersected([prompt], knowledge.taxonomy, blocks, edits=True).T
    assert (success >= bound).all() and success.mean() > bound.mean()


def test_only_a_seed_of_ones_own_links_requests() -> None:
    rows = pd.DataFrame(links_by_seed([("a man", "a woman")])).set_index("setting")
    assert rows.loc["a seed of one's own, kept", "success"] == 1.0
    assert rows.loc["one seed for everybody", "beyond"] == 0 and rows.loc["a new seed each time", "success"] == 0
