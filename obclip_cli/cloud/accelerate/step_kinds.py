"""The kind of step in the open, and with `cloud.compile` one compiled model for each kind.

Compiled code must not depend on the number of a step, or every step would be compiled anew. Accelerations therefore ask
`Acceleration.now` what they do, which the context says here before the model runs, and steps of one kind share what
`torch.compile` made of it. On a CUDA device it is captured as a CUDA graph, which saves the launches; a graph's results
lie in buffers that its next run overwrites, so what an acceleration keeps for later steps is copied (`settle`).
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch

from obclip_cli.cloud.accelerate.acceleration import Acceleration, kinds
from obclip_cli.cloud.accelerate.overriding import Forward
from obclip_cli.diffusion.denoise import StepContext
from obclip_cli.errors import UserError

# Kinds of step times sizes of batch for which compiled code is kept, before the model runs as it is written.
MOST = 64
_met: set[Hashable] = set()


def by_kind(chosen: Sequence[Acceleration], context: StepContext, *, compiles: bool) -> Callable[[Forward], Forward]:
    """Wrap a model's `forward`: say the step's kind before it runs, and with `compiles` run what is compiled for it.

    On CUDA the first pass of a kind runs as it is written: kernels that are chosen by time are chosen there.
    """

    def wrap(original: Forward) -> Forward:
        run: Forward = torch.compile(original, dynamic=False, **options()) if compiles else original

        def forward(*args: Any, **kwargs: Any) -> Any:
            context.kinds = kinds(chosen, context.step)
            try:
                if not compiles or _is_first(context, args[0]):
                    return original(*args, **kwargs)
                torch.compiler.cudagraph_mark_step_begin()
                with torch._dynamo.config.patch(recompile_limit=MOST):
                    result = run(*args, **kwargs)
                for part in chosen:
                    part.settle()
                return result
            finally:
                context.kinds = None

        return forward

    return wrap


def _is_first(context: StepContext, sample: torch.Tensor) -> bool:
    """Whether this process has never run this kind of step for such a batch; only CUDA asks."""
    place = (context.kinds, context.chunk > 0, sample.shape, sample.dtype)
    if not sample.is_cuda or place in _met:
        return False
    _met.add(place)
    return True


def options() -> dict[str, Any]:
    """How torch.compile is called: with CUDA graphs where there is CUDA."""
    return {"mode": "reduce-overhead"} if torch.cuda.is_available() else {}


def check_compiles(device: torch.device) -> None:
    """Try torch.compile on something small.

    Raises:
        UserError: it does not work here: no compiler for this processor, no Triton, or a Python that it does not know.
    """
    try:
        torch.compile(torch.add, **options())(torch.ones(2, device=device), 1)
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"torch.compile does not work here ({said[:160]}); leave cloud.compile=false") from error
