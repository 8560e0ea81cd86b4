"""Portraits: templates filled with random values of sensitive attributes (arXiv 2510.04153, Appendix B.3)."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from obclip_cli.data import Sample, samples_of
from obclip_cli.data.emoji import Emoji
from obclip_cli.data.pictures import check_pictures, folder_of_pictures
from obclip_cli.data.templates import load_templates
from obclip_cli.errors import UserError
from obclip_cli.resources import resolve


class Portraits:
    """The candidate-prompt dataset.

    Args:
        templates: a file of data/templates; `paper` holds the paper's own ten.
        attributes: how many sensitive attributes every prompt has, 1 to 3.
        limit: how many prompts.
        references: a folder of images for FID and KID, or null; the paper does not name its own.
        size: height and width at which images are scored; null for the pair's own.

    Raises:
        UserError: no such templates, or a number out of range.
    """

    def __init__(
        self,
        name: str,
        templates: str = "paper",
        attributes: int = 3,
        limit: int = 1000,
        references: str | None = None,
        size: int | None = None,
    ) -> None:
        self.name, self.limit, self.size = name, limit, size
        check_pictures(size)
        self.templates = load_templates(templates)
        self.root = None if references is None else Path(resolve(references)).expanduser()
        most = len(self.templates.attributes)
        if not 1 <= attributes <= most:
            raise UserError(f"dataset.attributes={attributes} must lie in 1..{most}")
        if limit < 1:
            raise UserError(f"dataset.limit={limit} must be at least 1")
        self.assignments = self.templates.assignments(attributes)

    def samples(self, seed: int) -> list[Sample]:
        """`limit` prompts: a template and values drawn from `seed`, each with noise of its own."""
        rng = np.random.default_rng(seed)
        texts, assignments = self.templates.templates, self.assignments
        drawn = [(rng.integers(len(texts)), rng.integers(len(assignments))) for _ in range(self.limit)]
        prompts = [self.templates.fill(texts[text], assignments[values]) for text, values in drawn]
        return samples_of(prompts, seed, [assignments[values] for _, values in drawn])

    def references(self, seed: int) -> Iterable[torch.Tensor]:
        """The given folder's images, or none: then FID and KID are left empty."""
        if self.root is None:
            return ()
        if (self.root / "images.zip").exists():
            return Emoji(self.name, str(self.root)).references(0)
        return folder_of_pictures(self.root, self.size)
