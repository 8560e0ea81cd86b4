"""Where the cloud stands while it denoises: what all accelerations look at."""

from dataclasses import dataclass

import torch


@dataclass
class Position:
    """The step that runs, the chunk of candidates it runs for, and the rows of that chunk's batch.

    The unconditional rows come first, and all are of one prompt, the empty one. Caches are keyed by step position,
    never by timestep value, which schedules may repeat.

    Attributes:
        step: 0 at the cloud's first step.
        chunk, chunks: which part of a large candidate set, of how many.
        unconditional, conditional: rows of each kind; no unconditional ones without guidance.
    """

    step: int = 0
    chunk: int = 0
    chunks: int = 1
    unconditional: int = 0
    conditional: int = 1

    @property
    def rows(self) -> int:
        """Rows of the whole batch."""
        return self.unconditional + self.conditional

    def whole(self, result: torch.Tensor) -> torch.Tensor:
        """A result of the first step, where equal rows were computed once, with all its rows again."""
        if len(result) == self.rows:
            return result
        if len(result) == 1:
            return result.expand(self.rows, *result.shape[1:])
        first = result[:1].expand(self.unconditional, *result.shape[1:])
        return torch.cat([first, result[1:]])
