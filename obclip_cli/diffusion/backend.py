"""How models run on a CUDA device: layout of their weights, and torch's settings for the whole process.

The settings are the process's, so the command line turns them on (`by_command_line`) and a program that imports obclip
keeps its own. With `cudnn.benchmark` the algorithm of a convolution is chosen by time, so that images of two processes
may differ in the last digits; nothing here touches a CPU, where they do not.
"""

import torch
from torch import nn

_process_is_ours = False


def by_command_line() -> None:
    """This process belongs to obclip: models loaded from now on may change torch's settings for CUDA."""
    global _process_is_ours
    _process_is_ours = True


def prepare(device: str | torch.device, *modules: nn.Module | None) -> None:
    """Make modules that were moved to `device` fast there; does nothing where it is not a CUDA device.

    Convolutions of half precision run on tensor cores in NHWC, which is `channels_last`.
    """
    present = [module for module in modules if module is not None]
    if torch.device(device).type != "cuda":
        return
    for module in present:
        nn.Module.to(module, memory_format=torch.channels_last)  # diffusers' own method warns of other things
    if _process_is_ours:
        torch.backends.cudnn.benchmark = True
        if any(parameter.dtype == torch.float32 for module in present for parameter in module.parameters()):
            torch.set_float32_matmul_precision("high")  # TF32, as convolutions have by default
