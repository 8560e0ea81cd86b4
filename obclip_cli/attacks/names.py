"""Guess from persons' names, which stay in every candidate: most first names are of one gender."""

import numpy as np

from obclip_cli.attacks.context import common_words
from obclip_cli.attacks.knowledge import Guesser
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.prompts.names import Name, find_names

# Of bearers of a name that the lists call a man's or a woman's.
SURE = 0.98


class Names(Guesser):
    """Breaks requests that hide a gender and send "mary" along."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The candidates whose gender is that of the names; None where no name tells one."""
        if "gender" not in transcript.attributes or not (told := self._told(transcript.seen.prompts)):
            return None
        chances, slots = np.ones(transcript.n), [i for i, a in enumerate(transcript.attributes) if a == "gender"]
        for place, values in enumerate(transcript.values):
            for gender in told:
                agree = any(values[slot] == gender for slot in slots)
                chances[place] *= SURE if agree else 1 - SURE
        return self.weighed(transcript, chances)

    def _told(self, prompts: tuple[str, ...]) -> list[str]:
        """The genders of names that every prompt has."""
        shared = common_words(prompts)
        found = [name for name in find_names(prompts[0], self.knowledge.taxonomy.vocabulary) if _is_in(name, shared)]
        return [name.gender for name in found if name.gender is not None]


def _is_in(name: Name, words: str) -> bool:
    return set(name.text.lower().split()[-1:]) <= {word.strip(".,;:!?") for word in words.split()}
