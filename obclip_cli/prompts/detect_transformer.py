"""Attributes found by a token-classification model, merged with the rules (arXiv 2510.04153, Section 4.1: DistilBERT).

The model must not see the values it is asked about: it could know one candidate's word and not another's, and the
candidates would be read differently (closure, Theorem 1). So it reads the prompt with every word of the taxonomy
replaced by the word of the form's first value.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from obclip_cli.errors import UserError
from obclip_cli.prompts.detect import Detector, Span, detect
from obclip_cli.prompts.forms import Form, Taxonomy, Values
from obclip_cli.prompts.sentence import Unit, cut

# What models of personal data call these attributes.
SYNONYMS = {"sex": "gender", "race": "ethnicity", "nationality": "ethnicity", "dob": "age"}
Tagger = Callable[[str], list[tuple[int, int, str]]]  # text -> (start, end, label) of every stretch


@lru_cache(maxsize=2)
def load_detector(spec: str) -> Detector:
    """What finds the attributes of a prompt.

    Args:
        spec: "rules", or a token-classification model's folder or hub id, whose findings are added to the rules'.

    Raises:
        UserError: there is no such model.
    """
    if spec == "rules":
        return detect
    tag = load_tagger(spec)

    def find(prompt: str, taxonomy: Taxonomy) -> list[Span]:
        return merge(prompt, detect(prompt, taxonomy), tag, taxonomy)

    return find


def load_tagger(source: str) -> Tagger:
    """A model that marks stretches of text with the labels of its own configuration.

    Raises:
        UserError: there is no such model.
    """
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    if source.startswith((".", "/", "~")) and not Path(source).expanduser().is_dir():
        raise UserError(f"no model folder at {source}; give a token-classification model's folder or hub id, or rules")
    folder = str(Path(source).expanduser()) if source.startswith("~") else source
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    except (OSError, ValueError) as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"cannot load the detector {source} ({first_line}); give a token-classification model's folder or hub id, "
            "or privacy.detector=rules"
        ) from error
    if not tokenizer.is_fast:
        raise UserError(f"the tokenizer of the detector {source} gives no places in the text; take another model")

    def tag(text: str) -> list[tuple[int, int, str]]:
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, truncation=True)
        places = encoded.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            best = model(**encoded).logits[0].argmax(-1).tolist()
        return stretches(places, [model.config.id2label[number] for number in best])

    return tag


def stretches(places: list[list[int]], labels: list[str]) -> list[tuple[int, int, str]]:
    """Join neighbouring tokens of one label; "B-AGE" and "I-AGE" are both age, "O" is nothing."""
    found: list[tuple[int, int, str]] = []
    for (start, end), label in zip(places, labels, strict=True):
        name = label.split("-", 1)[-1].lower()
        if start == end or label == "O":
            continue
        if found and found[-1][2] == name and start - found[-1][1] <= 1 and not label.startswith("B-"):
            found[-1] = (found[-1][0], end, name)
        else:
            found.append((start, end, name))
    return found


def merge(prompt: str, ruled: list[Span], tag: Tagger, taxonomy: Taxonomy) -> list[Span]:
    """The rules' spans, and every word of the taxonomy that only the model takes for a person's attribute.

    Each of the model's is a person of its own: it does not say whom it means.

    Raises:
        UserError: the model marks words that the taxonomy has no value for, so that they cannot be hidden.
    """
    units = cut(prompt, taxonomy)
    text, places = _blind(prompt, units)
    taken = {place for span in ruled for place in range(span.start, span.end)}
    person = max((span.person for span in ruled), default=-1)
    added: dict[int, Span] = {}
    for start, end, label in tag(text):
        attribute = SYNONYMS.get(label, label)
        marked = [unit for unit, (first, last) in zip(units, places, strict=True) if first < end and start < last]
        if attribute not in taxonomy.attributes or any(unit.start in taken for unit in marked):
            continue
        meant = [(unit, meaning) for unit in marked if (meaning := _meaning(unit, attribute)) is not None]
        if not meant:
            raise UserError(
                f'the detector takes "{text[start:end]}" for {attribute}, which the taxonomy {taxonomy.name} has no '
                "word for; put it in other words, add it to the taxonomy, or use privacy.detector=rules"
            )
        for unit, (form, values) in meant:
            person += 1
            place = unit.start
            added[place] = Span(place, unit.end, prompt[place : unit.end], form.name, values, person)
    return sorted([*ruled, *added.values()], key=lambda span: span.start)


def _meaning(unit: Unit, attribute: str) -> tuple[Form, Values] | None:
    return next((meaning for meaning in unit.meanings if attribute in meaning[0].carries), None)


def _blind(prompt: str, units: tuple[Unit, ...]) -> tuple[str, list[tuple[int, int]]]:
    """The prompt without its values, and where each unit stands in it."""
    text, end = "", 0
    places: list[tuple[int, int]] = []
    for unit in units:
        text += prompt[end : unit.start]
        start = len(text)
        text += _first_word(unit) or prompt[unit.start : unit.end]
        places.append((start, len(text)))
        end = unit.end
    return text + prompt[end:], places


def _first_word(unit: Unit) -> str:
    forms: list[Any] = [form for form, _ in unit.meanings if form.words]
    return next(iter(forms[0].words.values())) if forms else ""
