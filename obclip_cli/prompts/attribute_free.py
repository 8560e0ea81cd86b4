"""A prompt without what it says of sensitive attributes: "a woman firefighter with dark skin" is "a firefighter".

The plainest way to hide an attribute is not to say it. What the cloud then paints is anybody; the device, which knows,
comes too late to change most of it. A baseline for what the candidates are worth.
"""

import re

from obclip_cli.prompts import english
from obclip_cli.prompts.articles import agree
from obclip_cli.prompts.canonical import LEFT_OUT, join
from obclip_cli.prompts.detect import Detector, Span, detect
from obclip_cli.prompts.forms import Taxonomy

# By the canonical word for a man.
PRONOUNS = {"he": "they", "him": "them", "his": "their", "himself": "themselves"}
LEADING_UP = re.compile(r"[\s,]*\b(?:with|of|and|has|have|having)\s*$|[\s,]+$", re.IGNORECASE)


def without_attributes(prompt: str, taxonomy: Taxonomy, find: Detector = detect) -> str:
    """The prompt with neutral words in the place of attributes, or none; a and an agree.

    Every candidate of a prompt gives the same text, as it follows from their common template.
    """
    text, end = "", 0
    for span in find(prompt, taxonomy):
        text = join(text, prompt[end : span.start])
        end = span.end
        if word := _neutral(span, taxonomy, prompt[span.end :]):
            text = agree(text, word) + word
            continue
        form = taxonomy.form(span.form)
        if span.attributive or form.stands_before or form.names_a_person:
            text = text.rstrip(" ,") + LEFT_OUT
            continue
        text = LEADING_UP.sub("", text)
        if prompt[end:].startswith(" and "):  # "with light skin and a beard"
            text, end = text + " with", end + len(" and")
    return join(text, prompt[end:]).strip()


def _neutral(span: Span, taxonomy: Taxonomy, following: str) -> str:
    """What stands for a span; nothing where the words after it name the person, as "firefighter" does."""
    form = taxonomy.form(span.form)
    canonical = next(iter(form.words.values()), "")
    if form.use == "pronoun":
        return PRONOUNS.get(canonical, "")
    if not form.names_a_person:
        return ""
    if any(word in english.PERSONS for word in following.split(",")[0].split()[:2]):
        return ""
    return "people" if form.plural or canonical.endswith(("men", "people")) else "person"
