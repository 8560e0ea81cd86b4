"""The optional model beside the rules: what it adds, what cannot be hidden, and closure in spite of it."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DistilBertConfig, DistilBertForTokenClassification, PreTrainedTokenizerFast

from obclip_cli.config import taxonomy_path
from obclip_cli.errors import UserError
from obclip_cli.prompts.candidates import build_candidates
from obclip_cli.prompts.detect import detect
from obclip_cli.prompts.detect_transformer import load_detector, stretches
from obclip_cli.prompts.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy(taxonomy_path("paper"))
LABELS = ["O", "B-AGE", "B-NATIONALITY", "B-CITY"]
VOCABULARY = ["[PAD]", "[UNK]", "young", "caucasian", "sprightly", "paris", "a", "bench", "man", "on"]
MARKED = {"young": 1, "caucasian": 2, "sprightly": 1, "paris": 3}  # word -> label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without layers whose classifier reads the word itself: it marks four words and nothing else."""
    place = tmp_path_factory.mktemp("detector")
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]")
    config = DistilBertConfig(
        vocab_size=len(VOCABULARY), dim=len(LABELS), n_layers=0, n_heads=1, hidden_dim=4, num_labels=len(LABELS)
    )
    config.id2label = dict(enumerate(LABELS))
    model = DistilBertForTokenClassification(config)
    with torch.no_grad():
        embeddings = model.distilbert.embeddings
        embeddings.position_embeddings.weight.zero_()
        for number, word in enumerate(VOCABULARY):
            embeddings.word_embeddings.weight[number] = torch.eye(len(LABELS))[MARKED.get(word, 0)]
        model.classifier.weight.copy_(torch.eye(len(LABELS)))
        model.classifier.bias.zero_()
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def test_rules_is_the_rules() -> None:
    assert load_detector("rules") is detect


def test_the_model_adds_what_the_rules_take_for_a_thing(folder: Path) -> None:
    """It sees "a young bench" whatever age the prompt says, so old benches are found as well."""
    find = load_detector(str(folder))
    assert [(s.text, s.values, s.person) for s in find("a young man on an old bench", TAXONOMY)] == [
        ("young", ("young",), 0),
        ("man", ("male",), 0),
        ("old", ("old",), 1),
    ]


@pytest.mark.parametrize("prompt", ["a middle-aged man on an old bench", "a white bench", "an old bench in paris"])
def test_candidates_are_closed_with_a_model(folder: Path, prompt: str) -> None:
    find = load_detector(str(folder))
    found = build_candidates(prompt, TAXONOMY, max_candidates=100, find=find)
    assert len(found.prompts) > 1
    for place, candidate in enumerate(found.prompts):
        again = build_candidates(candidate, TAXONOMY, max_candidates=100, find=find)
        assert (again.prompts, again.index) == (found.prompts, place)


def test_a_word_that_cannot_be_hidden_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match='takes "sprightly" for age, which the taxonomy paper has no word for'):
        load_detector(str(folder))("a sprightly man", TAXONOMY)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model folder at"):
        load_detector(str(tmp_path / "none"))
    with pytest.raises(UserError, match="cannot load the detector"):
        load_detector(str(tmp_path))


def test_tokens_of_one_label_are_joined() -> None:
    places = [[0, 0], [0, 2], [2, 5], [6, 9], [10, 13], [0, 0]]
    assert stretches(places, ["O", "B-AGE", "I-AGE", "I-AGE", "B-AGE", "O"]) == [(0, 9, "age"), (10, 13, "age")]
