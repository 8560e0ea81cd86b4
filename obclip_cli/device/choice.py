"""Which of its candidates the device sends. Knows p* and the client's key; loads no model."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from obclip_cli.config import PrivacyConfig
from obclip_cli.errors import UserError
from obclip_cli.prompts.attribute_free import without_attributes
from obclip_cli.prompts.blocks import blocks
from obclip_cli.prompts.candidates import CandidateSet, replaced_by_another
from obclip_cli.prompts.decoys import (
    agreement,
    attribute_lambdas,
    attribute_successes,
    block_lambda,
    candidate_values,
    fewest,
    gumbel_lambda,
    gumbel_successes,
    gumbel_top,
    keyed_gumbel,
    largest_epsilon,
)
from obclip_cli.prompts.taxonomy import Taxonomy, Values


@dataclass(frozen=True)
class Choice:
    """S as it is sent, and what was promised for it.

    Attributes:
        sent: S in canonical order; its `index` is the candidate that the device goes on with. Secret.
        n: candidates of the prompt, |P|.
        lambda_: reached by this S.
        lambda_worst: reached by the worst S that this client could have sent.
        keeps_own: whether S holds p* itself.
        by_attribute: λ of each attribute alone; of several persons the largest.
    """

    sent: CandidateSet
    n: int
    lambda_: float
    lambda_worst: float
    keeps_own: bool = True
    by_attribute: dict[str, float] = field(default_factory=dict)

    @property
    def m(self) -> int:
        """|S|, the rows that the cloud computes."""
        return len(self.sent.prompts)


@dataclass(frozen=True)
class Chooser:
    """Chooses S by the configured strategy.

    Args:
        key: the client's secret, for `bucket` and `dp`.
        chance: randomness that the cloud must not be able to repeat, for `fresh` and `replacement`.
    """

    taxonomy: Taxonomy
    privacy: PrivacyConfig
    key: bytes | None
    chance: random.Random

    def choose(self, candidates: CandidateSet) -> Choice:
        """S for the candidates P of one prompt.

        Raises:
            UserError: λ is out of range for this N, or cannot be kept.
        """
        if len(candidates.prompts) == 1:  # nothing to hide behind, at any λ
            return self._all(candidates)
        strategies: dict[str, Callable[[CandidateSet], Choice]] = {
            "all": self._all,
            "bucket": self._bucket,
            "dp": self._gumbel,
            "fresh": self._fresh,
            "replacement": self._replacement,
            "none": self._none,
            "generalise": self._generalise,
        }
        return strategies[self.privacy.strategy](candidates)

    def _all(self, candidates: CandidateSet) -> Choice:
        return self._choice(candidates, list(range(len(candidates.prompts))), 0.0)

    def _bucket(self, candidates: CandidateSet) -> Choice:
        values, least = self._measure(candidates)
        split = blocks(candidates.slots, values, least, self._key())
        own = next(block for block in split if candidates.index in block)
        worst = block_lambda(min(len(block) for block in split), len(values))
        return replace(self._choice(candidates, own, block_lambda(len(own), len(values))), lambda_worst=worst)

    def _gumbel(self, candidates: CandidateSet) -> Choice:
        """The paper's future work. Where p* is not drawn, the device goes on with the nearest candidate that is."""
        values, m = self._measure(candidates)
        epsilon = self.privacy.epsilon
        epsilon = largest_epsilon(values, m, self.privacy.lambda_) if epsilon is None else epsilon
        reached = gumbel_lambda(values, m, epsilon)
        if reached > self.privacy.lambda_:
            raise UserError(
                f"privacy.epsilon={epsilon} reaches lambda {reached:.4g} with {m} of {len(values)} candidates, "
                f"more than privacy.lambda={self.privacy.lambda_}; lower privacy.epsilon, or leave it at null"
            )
        likeness = agreement(values)[candidates.index]
        drawn = gumbel_top(epsilon * likeness, keyed_gumbel(self._key(), candidates.prompts, len(values)), m)
        kept = max(drawn, key=lambda place: (place == candidates.index, likeness[place], -place))
        single = attribute_lambdas(candidates.slots, values, np.array(gumbel_successes(values, m, epsilon)[1:]))
        return replace(self._choice(candidates, drawn, reached, kept), by_attribute=single)

    def _fresh(self, candidates: CandidateSet) -> Choice:
        """New decoys each time: the obvious way, which repeated requests undo. A control that must fail."""
        values, m = self._measure(candidates)
        others = [place for place in range(len(values)) if place != candidates.index]
        drawn = sorted([candidates.index, *self.chance.sample(others, m - 1)])
        return self._choice(candidates, drawn, block_lambda(m, len(values)))

    def _replacement(self, candidates: CandidateSet) -> Choice:
        """One other candidate instead of the prompt (Fig. 4): it rules itself out."""
        n = len(candidates.prompts)
        reached = block_lambda(n - 1, n)
        sent = replaced_by_another(candidates, self.chance)
        others = [place for place, prompt in enumerate(candidates.prompts) if prompt != sent.prompts[0]]
        return Choice(sent, n, reached, reached, keeps_own=False, by_attribute=self._single(candidates, others))

    def _generalise(self, candidates: CandidateSet) -> Choice:
        """The prompt without its attributes, which all candidates have in common: a guess is right with 1/N."""
        text = without_attributes(candidates.prompts[candidates.index], self.taxonomy)
        sent = replace(candidates, prompts=(text,), index=0)
        single = self._single(candidates, list(range(len(candidates.prompts))))
        return Choice(sent, len(candidates.prompts), 0.0, 0.0, keeps_own=False, by_attribute=single)

    def _none(self, candidates: CandidateSet) -> Choice:
        """Hybrid SD: the prompt alone, as its canonical candidate."""
        return self._choice(candidates, [candidates.index], block_lambda(1, len(candidates.prompts)))

    def _measure(self, candidates: CandidateSet) -> tuple[tuple[Values, ...], int]:
        """Each candidate's values, and M."""
        values = candidate_values(candidates.slots, self.taxonomy)
        if len(values) != len(candidates.prompts):
            raise UserError(f"{len(candidates.prompts)} candidates for {len(values)} combinations of values")
        return values, fewest(len(values), self.privacy.lambda_)

    def _key(self) -> bytes:
        if self.key is None:
            raise UserError(f"privacy.strategy={self.privacy.strategy} needs the client's secret")
        return self.key

    def _single(self, candidates: CandidateSet, places: list[int]) -> dict[str, float]:
        """λ of each attribute where p* is one of `places`, all equally likely."""
        if not candidates.slots:
            return {}
        values, posterior = candidate_values(candidates.slots, self.taxonomy), np.zeros(len(candidates.prompts))
        posterior[places] = 1 / len(places)
        return attribute_lambdas(candidates.slots, values, attribute_successes(values, posterior))

    def _choice(self, candidates: CandidateSet, places: list[int], reached: float, kept: int | None = None) -> Choice:
        """Some candidates in canonical order; the device goes on with p* unless another is kept."""
        kept = candidates.index if kept is None else kept
        prompts = tuple(candidates.prompts[place] for place in places)
        sent = replace(candidates, prompts=prompts, index=places.index(kept))
        single = self._single(candidates, places)
        return Choice(sent, len(candidates.prompts), reached, reached, kept == candidates.index, single)
