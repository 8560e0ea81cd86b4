"""Single attacks on transcripts made by hand."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from obclip_cli.attacks.answer import Timing, Traffic
from obclip_cli.attacks.context import Context, common_words, mask
from obclip_cli.attacks.corpus import CAPTIONS, PROMPTS, read_corpus
from obclip_cli.attacks.intersection import IntersectionRepeated
from obclip_cli.attacks.inversion import Inversion
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.language_model import LanguageModel
from obclip_cli.attacks.majority import Majority
from obclip_cli.attacks.many_prompts import ManyPrompts, add_up
from obclip_cli.attacks.names import Names
from obclip_cli.attacks.ngram import NgramModel
from obclip_cli.attacks.published_image import PublishedImage, write_image
from obclip_cli.attacks.request import Position, Surface
from obclip_cli.attacks.seed_links import linked, pairs_found
from obclip_cli.attacks.transcript import Exchange, Transcript, read_transcripts, write_transcripts
from obclip_cli.compose import compose_config
from obclip_cli.config import taxonomy_path
from obclip_cli.device.client import Query
from obclip_cli.errors import UserError
from obclip_cli.game.controls import own_pronouns
from obclip_cli.game.published import Publisher
from obclip_cli.pipeline import load_pipelines
from obclip_cli.prompts.candidates import CandidateSet, build_candidates
from obclip_cli.prompts.decoys import candidate_values
from obclip_cli.prompts.taxonomy import Taxonomy, load_taxonomy
from obclip_cli.protocol import CloudRequest
from tests.conftest import byte_tokenizer

PROMPT = "a woman cook with dark skin"
SIXTH = (
    "Closeup portrait photo of a {}, wearing a rugged leather jacket, with a five o'clock shadow and prominent laugh "
    "lines around {} eyes, captured in soft, golden hour lighting."
)


def exchange(prompts: tuple[str, ...]) -> Exchange:
    return Exchange(CloudRequest(prompts, 4, 0, 1, 3.0, 0).to_bytes())


def transcript(taxonomy: Taxonomy, prompt: str, *sent: tuple[str, ...]) -> Transcript:
    """The last of `sent` is the observed request, all candidates if there is none."""
    found = build_candidates(prompt, taxonomy, max_candidates=64)
    requests = [exchange(prompts) for prompts in sent or [found.prompts]]
    attributes = tuple(attribute for _, attribute in found.slots)
    values = candidate_values(found.slots, taxonomy)
    return Transcript(found.prompts, attributes, values, requests[-1], tuple(requests[:-1]))


@pytest.fixture
def knowledge(taxonomy: Taxonomy) -> Knowledge:
    return Knowledge(taxonomy)


def certain(guess: np.ndarray | None) -> int:
    """The place of a guess without doubt."""
    assert guess is not None and guess.max() == pytest.approx(1)
    return int(guess.argmax())


@pytest.mark.parametrize("place", range(10))
def test_position_finds_whatever_was_moved_to_the_head(knowledge: Knowledge, place: int) -> None:
    everyone = transcript(knowledge.taxonomy, PROMPT).candidates
    order = (everyone[place], *(p for p in everyone if p != everyone[place]))
    assert certain(Position(knowledge).guess(transcript(knowledge.taxonomy, PROMPT, order))) == place


@pytest.mark.parametrize(
    "typed", ["a lady cook with dark skin", "a woman cook with dark  skin", "A woman cook with dark skin"]
)
def test_surface_finds_the_one_that_is_not_canonical(knowledge: Knowledge, typed: str) -> None:
    sent = list(transcript(knowledge.taxonomy, PROMPT).candidates)
    sent[9] = typed
    assert certain(Surface(knowledge).guess(transcript(knowledge.taxonomy, PROMPT, tuple(sent)))) == 9


@pytest.mark.parametrize(("person", "pronoun", "place"), [("man", "his", 0), ("woman", "her", 1)])
def test_context_catches_the_papers_sixth_template(person: str, pronoun: str, place: int) -> None:
    """Left as it is, "his eyes" tells the man; adapted, the guess is the same for both."""
    paper = load_taxonomy(taxonomy_path("paper"))
    attack = Context(Knowledge(paper))
    found = build_candidates(SIXTH.format(person, pronoun), paper, max_candidates=64)
    leaking = own_pronouns(Query("", found, 0), random.Random(0)).candidates.prompts
    assert all(f"{pronoun} eyes" in prompt for prompt in leaking) and len(leaking) == 2
    unadapted, adapted = (transcript(paper, found.prompts[0], sent) for sent in (leaking, found.prompts))
    assert attack.guess(unadapted).argmax() == place
    other = transcript(paper, SIXTH.format("man", "his"))
    np.testing.assert_array_equal(attack.guess(adapted), attack.guess(other))


def test_masking_takes_out_values_and_leaves_pronouns(taxonomy: Taxonomy) -> None:
    assert mask("a woman cook with dark skin and her dog", taxonomy) == "a cook with and her dog"
    assert common_words(["a cook and her dog", "a cook and his dog"]) == "a cook and dog"


def test_a_corpus_is_lines_or_a_column(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("a man\n\na woman\n")
    (tmp_path / "c.csv").write_text('image_id,caption\n1,"a man, smiling"\n')
    (tmp_path / "p.jsonl").write_text('{"prompt": "a man"}\n\n{"prompt": "a  woman"}\n')
    (tmp_path / "bad.csv").write_text("id,words\n1,a man\n")
    (tmp_path / "empty.txt").write_text("\n")
    assert read_corpus(tmp_path / "c.txt") == read_corpus(tmp_path / "p.jsonl") == ["a man", "a woman"]
    assert all(len(read_corpus(path)) > 200 for path in (CAPTIONS, PROMPTS))
    assert read_corpus(tmp_path / "c.csv") == ["a man, smiling"]
    for name in ("bad.csv", "empty.txt", "missing.txt"):
        with pytest.raises(UserError, match=name):
            read_corpus(tmp_path / name)


def test_intersection_keeps_what_every_request_had(knowledge: Knowledge) -> None:
    p = transcript(knowledge.taxonomy, PROMPT).candidates
    seen = transcript(knowledge.taxonomy, PROMPT, (p[0], p[3], p[7]), (p[1], p[3], p[8]), (p[2], p[3], p[9]))
    assert certain(IntersectionRepeated(knowledge).guess(seen)) == 3
    replaced = transcript(knowledge.taxonomy, "a man", *[("a woman",)] * 3)
    assert certain(IntersectionRepeated(knowledge).guess(replaced)) == 1  # nothing else was ever seen
    ten = transcript(knowledge.taxonomy, PROMPT, *[(prompt,) for prompt in p if prompt != p[4]])
    assert certain(IntersectionRepeated(knowledge).guess(ten)) == 4


def test_traffic_and_timing_read_what_the_client_did(knowledge: Knowledge) -> None:
    whole = transcript(knowledge.taxonomy, PROMPT)
    assert Traffic(knowledge).guess(whole) is None and Timing(knowledge).guess(whole) is None
    own = replace(whole, seen=replace(whole.seen, rows_down=tuple(range(7)), work_seconds=2.0, stay_seconds=1.4))
    assert certain(Traffic(knowledge).guess(own)) == 6
    assert certain(Timing(knowledge).guess(own)) == 6


def test_inversion_finds_the_prompt_that_was_sent_and_nothing_among_all(tiny_pair: list[str]) -> None:
    config = compose_config(tiny_pair)
    knowledge = Knowledge(load_taxonomy(taxonomy_path("emoji")), config.pair)
    attack = Inversion(knowledge)
    assert certain(attack.guess(transcript(knowledge.taxonomy, PROMPT, (PROMPT,)))) == 9
    np.testing.assert_allclose(attack.guess(transcript(knowledge.taxonomy, PROMPT)), 0.1)


def test_a_language_model_reads_every_candidate(taxonomy: Taxonomy, tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=128, n_embd=8, n_layer=1, n_head=1)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    attack = LanguageModel(Knowledge(taxonomy, language_model=str(tmp_path)))
    guesses = [attack.guess(transcript(taxonomy, p)) for p in transcript(taxonomy, PROMPT).candidates]
    assert {*transcript(taxonomy, PROMPT).candidates} <= {*attack.scored} and len(
        {guess.argmax() for guess in guesses}
    ) == 1
    with pytest.raises(UserError, match="nowhere"):
        LanguageModel(Knowledge(taxonomy, language_model="/nowhere")).guess(transcript(taxonomy, PROMPT))


CORPUS = [f"a {who} {place}" for who, place in [("man", "digs a hole"), ("woman", "reads a letter")] * 6] + [
    "a man"
] * 6


def test_without_a_model_by_path_an_n_gram_model_of_the_corpus_reads(taxonomy: Taxonomy) -> None:
    """What a corpus says together is likelier; how often it says "man" is taken out."""
    attack = LanguageModel(Knowledge(taxonomy, corpus=CORPUS))
    for prompt, place in (("a man reads a letter", 1), ("a woman digs a hole", 0)):
        assert attack.guess(transcript(taxonomy, prompt)).argmax() == place
    model = NgramModel(CORPUS)
    assert model.log_likelihood("a man digs a hole") > model.log_likelihood("a hole digs a man")
    following = [*model.counts[("a",)], "never seen"]
    assert sum(model._chance(word, ("<s>", "a")) for word in following) == pytest.approx(1, abs=0.2)


def test_the_majority_is_guessed_by_the_prior_else_by_the_corpus(taxonomy: Taxonomy) -> None:
    asked = transcript(taxonomy, "a man")
    assert Majority(Knowledge(taxonomy, corpus=CORPUS)).guess(asked).argmax() == 0
    told = Majority(Knowledge(taxonomy, corpus=CORPUS, priors={"gender": {"male": 0.3, "female": 0.7}}))
    np.testing.assert_allclose(told.guess(asked), [0.3, 0.7])


def test_a_name_that_stays_tells_the_gender(knowledge: Knowledge) -> None:
    assert Names(knowledge).guess(transcript(knowledge.taxonomy, "a man named Mary Smith")).argmax() == 1
    assert Names(knowledge).guess(transcript(knowledge.taxonomy, "a man in a boat")) is None


def test_what_many_prompts_of_one_person_say_adds_up(taxonomy: Taxonomy) -> None:
    attack = ManyPrompts(Knowledge(taxonomy, corpus=CORPUS))
    sets = [build_candidates(p, taxonomy, max_candidates=64).prompts for p in ("a man reads", "a man with a letter")]
    one, two = (attack.guess(transcript(taxonomy, "a man", *sent)) for sent in (sets[:1], sets))
    assert two[1] > one[1] > 0.5
    repeated = attack.guess(transcript(taxonomy, "a man", *sets[:1] * 5))
    np.testing.assert_allclose(repeated, one)  # asking the same again tells nothing
    np.testing.assert_allclose(add_up(np.array([[0.5, 0.25], [0.5, 1.0]])), [0.25 / 0.25, 1.0])


def test_a_seed_of_ones_own_links_requests(taxonomy: Taxonomy) -> None:
    sent = [Exchange(CloudRequest(("a man", "a woman"), 4, 0, 1, 3.0, seed).to_bytes()) for seed in (7, 8, 7, 8, 9)]
    assert linked(sent) == [[0, 2], [1, 3], [4]]
    assert pairs_found(linked(sent), [0, 1, 0, 2, 0]) == (1 / 3, 1 / 2)


def test_a_published_image_is_the_nearest_to_its_own_candidates_latent_unless_the_device_adds_noise() -> None:
    config = compose_config(["pair=mini", "hybrid.steps=10", "hybrid.switch_point=4"])
    knowledge = Knowledge(load_taxonomy(taxonomy_path("emoji")), config.pair)
    publisher = Publisher(config.pair, config.hybrid, *load_pipelines(config.pair))
    asked = transcript(knowledge.taxonomy, PROMPT)
    everyone = [Query(p, CandidateSet(asked.candidates, i, {}), 0) for i, p in enumerate(asked.candidates)]
    attack, secrets = PublishedImage(knowledge), range(10)
    asked = replace(asked, seen=Exchange(CloudRequest(asked.candidates, 10, 0, 4, 2.0, 0).to_bytes()))

    def found(images: torch.Tensor) -> int:
        guesses = [attack.guess(replace(asked, published=write_image(image))) for image in images]
        return sum(guess.argmax() == place for place, guess in enumerate(guesses))

    assert attack.guess(asked) is None  # it was kept
    plain = found(publisher.images(everyone))
    assert plain >= 8 and found(publisher.images(everyone, back=4, secrets=secrets)) < plain


def test_transcripts_survive_the_file(taxonomy: Taxonomy, tmp_path: Path) -> None:
    p = transcript(taxonomy, PROMPT).candidates
    first = transcript(taxonomy, PROMPT, p[:3], p[2:5])
    seen = replace(first.seen, bytes_down=5, rows_down=(0, 2), work_seconds=0.5, stay_seconds=0.5)
    written = [first, replace(first, seen=seen)]
    write_transcripts(tmp_path, written)
    assert read_transcripts(tmp_path) == written
