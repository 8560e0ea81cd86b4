"""How models run on a CUDA device: the layout of their weights, and torch's settings for the whole process.

The settings are the process's, so the command line turns them on and a program that imports obclip keeps its own. With
`cudnn.benchmark` a convolution's algorithm is chosen by time, so that images of two processes may differ in their last
digits; nothing here touches a CPU, where they do not. Torch is imported where it is needed: the command line comes by.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Processes that a command starts inherit it; `OBCLIP_FAST_CUDA=0 obclip ...` leaves torch's settings alone.
SWITCH = "OBCLIP_FAST_CUDA"


def by_command_line() -> None:
    """This process is a command of obclip: models that it loads may change torch's settings for CUDA."""
    os.environ.setdefault(SWITCH, "1")


def prepare(*modules: "torch.nn.Module | None", device: str) -> None:
    """Make modules that were moved to `device` fast there; does nothing where that is no CUDA device."""
    if device.startswith("cuda"):
        present = [module for module in modules if module is not None]
        channels_last(*present)
        if os.environ.get(SWITCH) == "1":
            tune(*present)


def channels_last(*modules: "torch.nn.Module") -> None:
    """NHWC, in which convolutions of half precision run on tensor cores."""
    import torch

    for module in modules:
        torch.nn.Module.to(module, memory_format=torch.channels_last)  # diffusers' own method warns of other things


def tune(*modules: "torch.nn.Module") -> None:
    """Torch's settings for these modules: cuDNN looks for the fastest algorithm, float32 multiplies in TF32."""
    import torch

    torch.backends.cudnn.benchmark = True
    if any(parameter.dtype == torch.float32 for module in modules for parameter in module.parameters()):
        torch.set_float32_matmul_precision("high")  # convolutions run in TF32 unless they are told not to
