"""Portraits of the people that art shows: every prompt asks for one picture's role, style and sensitive attributes.

So the references are art of exactly what is asked for. With a skin tone it is art that no model of `mini` has seen. No
art without a tone is held out, and of children and the old too little: there it is art from training.
"""

import re
import zipfile

import numpy as np
import pandas as pd

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.emoji import Emoji
from obclip_cli.data.pictures import Pictures
from obclip_cli.data.templates import load_templates
from obclip_cli.errors import UserError

ADULT = "adult"
PERSON = re.compile(r"\b(woman|man|boy|girl)\b")


class People:
    """The candidate-prompt dataset of a pair that learnt from emoji art.

    Args:
        templates: a file of data/templates; its attributes, in their order, are the sensitive ones.
        attributes: how many of them every prompt says, 1 to 3.
        limit: how many prompts; more than there are pictures repeats them with other noise.
        references: folder of the art that is held out, `captions.csv` and `images.zip`.
        seen: the same of art from training.

    Raises:
        UserError: a folder is not such a set, or a number is out of range.
    """

    size = None
    reference_label = "the art that is asked for"

    def __init__(
        self, name: str, templates: str, references: str, seen: str, attributes: int = 3, limit: int = 1000
    ) -> None:
        self.name, self.limit = name, limit
        known = load_templates(templates)
        most = len(known.attributes)
        if not 1 <= attributes <= most:
            raise UserError(f"dataset.attributes={attributes} must lie in 1..{most}")
        if limit < 1:
            raise UserError(f"dataset.limit={limit} must be at least 1")
        self.assignments = known.assignments(attributes)
        self.said = list(known.attributes)[:attributes]
        self.sets = [Emoji(name, root) for root in (references, seen)]
        held_out, trained = (each.table for each in self.sets)
        self.table = _chosen(held_out, trained, attributes)

    def samples(self, seed: int) -> list[Sample]:
        """`limit` prompts in an order drawn from `seed`, every picture before any twice, each with its own noise."""
        order = np.random.default_rng(seed).permutation(len(self.table))
        known = self.reference_samples()
        shown = [known[place] for place in np.resize(order, self.limit)]
        return samples_of([sample.prompt for sample in shown], seed, [sample.labels for sample in shown])

    def references(self, seed: int) -> Pictures:
        """The art that is asked for, (n, 3, 64, 64)."""
        archives = [zipfile.ZipFile(each.archive) for each in self.sets]
        inside = {name: archive for archive in archives for name in archive.namelist()}
        return Pictures(tuple(self.table["file"]), lambda name: inside[name].read(name))

    def reference_samples(self) -> list[Sample]:
        """What each reference image shows, in their order."""
        columns = [*self.said, "role"]
        labels = [{name: row[name] for name in columns if row[name]} for row in self.table.to_dict("records")]
        return [Sample(caption, 0, shown) for caption, shown in zip(self.table["caption"], labels, strict=True)]


def _chosen(held_out: pd.DataFrame, trained: pd.DataFrame, attributes: int) -> pd.DataFrame:
    """The pictures whose captions say so many sensitive attributes: gender, then tone, then age."""
    table = pd.concat([held_out, trained], ignore_index=True)
    table = table[table["caption"].str.contains(PERSON.pattern.replace("(", "(?:"))]
    toned, grown = table["tone"] != "", table["age"] == ADULT
    if attributes == 1:
        return table[~toned & grown].reset_index(drop=True)
    if attributes == 2:
        return table[toned & grown].reset_index(drop=True)
    table = table[toned]
    captions = [
        with_age(caption) if age == ADULT else caption
        for caption, age in zip(table["caption"], table["age"], strict=True)
    ]
    return table.assign(caption=captions).reset_index(drop=True)


def with_age(caption: str) -> str:
    """The caption of an adult with the age said: "a woman cook" becomes "an adult woman cook"."""
    said = PERSON.sub(rf"{ADULT} \1", caption, count=1)
    return re.sub(rf"^a (?={ADULT})", "an ", said)
