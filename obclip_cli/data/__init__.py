"""Datasets: one file each, found by the `_target_` of its config. A dataset gives prompts and reference images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Protocol, get_args, get_type_hints

import torch
from hydra.errors import HydraException
from hydra.utils import get_class, instantiate

from obclip_cli.errors import UserError, nearest, require
from obclip_cli.overrides import KINDS

MOST_PROMPTS = 1_000_000  # of a dataset, so that no two seeds share noise


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
    """A sample a prompt, each with noise of its own that is drawn from `seed`.

    Raises:
        UserError: the noise of this seed has no number.
    """
    most = 2**63 // MOST_PROMPTS - 1
    require(seed <= most, f"seed={seed} is too large for a dataset, whose prompts are numbered; it lies in 0..{most}")
    said = labels or [{}] * len(prompts)
    numbered = enumerate(zip(prompts, said, strict=True))
    return [Sample(prompt, seed * MOST_PROMPTS + i, dict(shown)) for i, (prompt, shown) in numbered]


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
    check_settings(config)
    try:
        dataset: Dataset = instantiate(config)
    except HydraException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from error
        raise UserError(f"dataset {config.get('name')}: {str(error.__cause__ or error).splitlines()[0]}") from error
    return dataset


def check_settings(config: dict[str, Any]) -> None:
    """Compare a dataset's settings with what its class takes.

    Raises:
        UserError: there is no such class or setting, or a value is of another type.
    """
    target, name = str(config.get("_target_")), config.get("name")
    try:
        made_by = get_class(target)
    except Exception as error:  # whatever importing it raises
        raise UserError(f"dataset._target_={target} is no class of a dataset; see configs/dataset") from error
    settings, hints = list(signature(made_by).parameters), get_type_hints(vars(made_by).get("__init__", made_by))
    for key, value in config.items():
        if key == "_target_":
            continue
        require(key in settings, f"there is no setting dataset.{key} of dataset {name}; {nearest(key, settings)}")
        kinds = get_args(hints.get(key)) or (hints.get(key),)
        if not set(kinds) <= {*KINDS, type(None)}:  # left open, or too complex to be compared
            continue
        fits = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
        words = " or ".join(KINDS.get(kind, "null") for kind in kinds)
        require(fits, f"dataset.{key}={'null' if value is None else value} must be {words}")
    limit = config.get("limit")
    require(limit is None or 1 <= limit <= MOST_PROMPTS, f"dataset.limit={limit} must lie in 1..{MOST_PROMPTS}")
