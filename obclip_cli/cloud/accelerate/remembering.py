"""What a part of the model gave in its last steps, and what that says of a step in which it does not run.

Order 0 gives the last result again. Order 1 goes on along the difference of the last two, as the first order of
TaylorSeer (arXiv 2503.06923) does: result + (result - the one before) * steps since / steps between. A part that has
run once only gives its one result.
"""

from typing import Any

import torch

from obclip_cli.diffusion.denoise import StepContext


class Memory:
    """The last results of one part, tensors or tuples of them.

    Args:
        order: 0 or 1.
    """

    def __init__(self, order: int = 0) -> None:
        self.order = order
        self.kept: list[tuple[int, Any]] = []
        self._own: Any = None

    def __bool__(self) -> bool:
        return bool(self.kept)

    def keep(self, context: StepContext, result: Any) -> Any:
        """Remember what the part gives in this step, and pass it on."""
        if self.order == 0:  # the number of the step is not looked at: see `step_kinds`
            self.kept = [(0, result)]
            return result
        if self.kept and context.step <= self.kept[-1][0]:  # another run, or another chunk
            self.kept.clear()
        self.kept = [*self.kept[-self.order :], (context.step, result)]
        return result

    def settle(self) -> None:
        """Keep a copy of the last result instead of the tensors themselves."""
        if self.kept and self.kept[-1][1] is not self._own:
            step, result = self.kept[-1]
            self._own = _each(torch.clone, result)
            self.kept[-1] = (step, self._own)

    def at(self, context: StepContext) -> Any:
        """What the part is taken to give in this step, for all rows of the batch."""
        (last, result), *earlier = reversed(self.kept)
        if not earlier:
            return _each(context.whole, result)
        ((before, old),) = earlier
        ahead = (context.step - last) / (last - before)

        def onward(new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
            new = context.whole(new)
            return new + (new - context.whole(old)) * ahead

        return _each(onward, result, old)


def _each(function: Any, *results: Any) -> Any:
    """A function on tensors, or on each tensor of tuples that have one form."""
    if isinstance(results[0], torch.Tensor):
        return function(*results)
    return tuple(_each(function, *parts) for parts in zip(*results, strict=True))
