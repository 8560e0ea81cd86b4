"""What an acceleration is, and what it says of itself."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar, Self

from diffusers import UNet2DConditionModel

from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.denoise import StepContext

# (label, kind) of each acceleration that does something in a step: what tells steps of equal cost apart.
Kinds = tuple[tuple[str, Hashable], ...]


class Acceleration(ABC):
    """Put on a UNet for a run and taken off again.

    Attributes:
        label: its name in figures.
        method_name: what names of methods call it; accelerations of one name belong together ("cache").
        is_exact: images stay what they are, but for rounding.
        mixes_rows: a row's result depends on the other rows of its batch.
        shares_work: some work is done once for several rows, so N candidates do not cost N times one.
    """

    label: ClassVar[str]
    method_name: ClassVar[str]
    is_exact: ClassVar[bool] = False
    mixes_rows: ClassVar[bool] = False
    shares_work: ClassVar[bool] = False
    context: StepContext

    @classmethod
    @abstractmethod
    def of(cls, cache: CacheConfig) -> Self | None:
        """As it is configured; None where it is off."""

    @abstractmethod
    def kind(self, step: int) -> Hashable:
        """What it does in a step of the cloud: equal for steps of equal cost; None where it leaves the step alone."""

    def now(self) -> Hashable:
        """What it does in the step that runs: of all that is on the model, the context says it (`step_kinds`)."""
        if self.context.kinds is None:
            return self.kind(self.context.step)
        return next((kind for label, kind in self.context.kinds if label == self.label), None)

    def settle(self) -> None:  # noqa: B027
        """Copy what is kept for later steps: called after a compiled pass, whose tensors the next pass overwrites."""

    @abstractmethod
    def attach(self, unet: UNet2DConditionModel, context: StepContext) -> None:
        """Put itself on the model, to look at `context` in every step."""

    @abstractmethod
    def detach(self) -> None:
        """Leave the model as it was."""


def kinds(chosen: Sequence[Acceleration], step: int) -> Kinds:
    """What several accelerations do in a step: (label, kind) of those that do something."""
    return tuple((part.label, kind) for part in chosen if (kind := part.kind(step)) is not None)
