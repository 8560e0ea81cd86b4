"""Datasets: one file each, found by the `_target_` of its config. A dataset gives prompts and reference images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from hydra.errors import HydraException
from hydra.utils import instantiate

from obclip_cli.errors import UserError


@dataclass(frozen=True)
class Sample:
    """One prompt to score.

    Attributes:
        prompt: the user's own words.
        seed: seed of z_T, so that all methods start from the same noise.
        labels: attribute -> value the image should show, where the dataset says so.
    """

    prompt: str
    seed: int
    labels: dict[str, str] = field(default_factory=dict)


def samples_of(prompts: Sequence[str], seed: int, labels: Sequence[dict[str, str]] | None = None) -> list[Sample]:
    """A sample a prompt, each with noise of its own that is drawn from `seed`."""
    said = labels or [{}] * len(prompts)
    numbered = enumerate(zip(prompts, said, strict=True))
    return [Sample(prompt, seed * 1_000_000 + i, dict(shown)) for i, (prompt, shown) in numbered]


class Dataset(Protocol):
    """What every dataset offers.

    Where it is known what the references show, `reference_samples()` gives a `Sample` for each, and `reference_label`
    is the name of their row in score tables. A dataset whose references are coded as JPEG says the quality as `jpeg`;
    generated images are coded alike.

    Attributes:
        size: height and width at which images are scored; None for those that the pair makes.
    """

    name: str
    size: int | None

    def samples(self, seed: int) -> list[Sample]:
        """The prompts to generate, the same for the same seed."""
        ...

    def references(self, seed: int) -> Iterable[torch.Tensor]:
        """Batches of reference images, uint8 (n, 3, H, W); none where a dataset has no references.

        Most are the same whatever the seed is, which is that of `samples`.
        """
        ...


def load_dataset(config: dict[str, Any]) -> Dataset:
    """Instantiate the class that `_target_` names.

    Raises:
        UserError: the dataset has no such setting, or its files are missing or broken.
    """
    try:
        dataset: Dataset = instantiate(config)
    except HydraException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from error
        raise UserError(f"dataset {config.get('name')}: {str(error.__cause__ or error).splitlines()[0]}") from error
    return dataset
