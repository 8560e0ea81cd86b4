"""Prompt templates and the values that fill them: files of data/templates."""

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from obclip_cli.errors import UserError, nearest

FOLDER = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class Placeholder:
    """What `$name` becomes: a word for each combination of the values of the attributes that it carries."""

    carries: list[str]
    words: dict[str, str]


@dataclass(frozen=True)
class Templates:
    """A file of templates.

    Attributes:
        quoted: whether the templates are the paper's own.
        attributes: attribute -> its values, in the order in which one, two or more of them are used.
        placeholders: those that are not simply an attribute's value.
        agreeing: attribute -> value -> word -> what stands in its place where the prompt has this value.
    """

    quoted: bool
    attributes: dict[str, list[str]]
    templates: list[str]
    placeholders: dict[str, Placeholder] = field(default_factory=dict)
    agreeing: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def assignments(self, count: int) -> list[dict[str, str]]:
        """Every combination of values of the first `count` attributes."""
        names = list(self.attributes)[:count]
        spaces = [self.attributes[name] for name in names]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*spaces)]

    def fill(self, template: str, values: dict[str, str]) -> str:
        """The prompt; placeholders of attributes without a value are left out, and a and an agree."""
        text = template
        for name in re.findall(r"\$(\w+)", template):
            text = text.replace(f"${name}", self._word(name, values))
        for attribute, value in values.items():
            for word, other in self.agreeing.get(attribute, {}).get(value, {}).items():
                text = re.sub(rf"\b{word}\b", other, text)
        text = re.sub(r" +([,.]|$)", r"\1", re.sub(r" {2,}", " ", text)).strip()
        return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)

    def _word(self, name: str, values: dict[str, str]) -> str:
        if name not in self.placeholders:
            return values.get(name, "")
        placeholder = self.placeholders[name]
        said = [values[attribute] for attribute in placeholder.carries if attribute in values]
        return placeholder.words[" ".join(said)] if said else ""


def load_templates(name: str) -> Templates:
    """A file by its name.

    Raises:
        UserError: there is none of this name.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise UserError(f"dataset.templates={name}: {nearest(name, sorted(p.stem for p in FOLDER.glob('*.yaml')))}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    places = {key: Placeholder(**value) for key, value in content.pop("placeholders", {}).items()}
    return Templates(**content, placeholders=places)
