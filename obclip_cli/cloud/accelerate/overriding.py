"""Replace the `forward` of a module's instance for a while; its class is not changed."""

from collections.abc import Callable
from typing import Any

from torch import nn

Forward = Callable[..., Any]


class Overrides:
    """Replaced `forward`s of module instances, restored together."""

    def __init__(self) -> None:
        self._before: list[tuple[nn.Module, Forward | None]] = []

    def put(self, module: nn.Module, make: Callable[[Forward], Forward]) -> None:
        """Replace `module.forward` by `make(module.forward)`."""
        self._before.append((module, module.__dict__.get("forward")))
        module.forward = make(module.forward)

    def remove(self) -> None:
        """Leave every module as it was, the last one first."""
        while self._before:
            module, forward = self._before.pop()
            if forward is None:
                del module.forward
            else:
                module.forward = forward
