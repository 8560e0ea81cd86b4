"""No step makes an accelerator wait: on the meta device, where a number that is read is an error, as is a copy here."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import CacheConfig
from obclip_cli.diffusion.architectures import Architecture
from obclip_cli.diffusion.random_weights import random_pipeline
from obclip_cli.protocol import CloudRequest
from tests.tiny_checkpoints import tiny_unet_config


class Crossings(TorchDispatchMode):
    """Operations between the CPU and the device; a number that an operation takes by value may cross."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        result = operation(*arguments, **(keywords or {}))
        tensors = [leaf for leaf in tree_leaves((arguments, keywords, result)) if isinstance(leaf, torch.Tensor)]
        copies = any(name in str(operation) for name in ("copy", "aten.to."))
        lists = "aten.index." in str(operation)  # a list of places becomes a tensor here and is copied, unseen
        if lists or len({leaf.device for leaf in tensors if copies or leaf.dim() > 0}) > 1:
            self.found.append(str(operation))
        return result


@pytest.mark.parametrize("architecture", ["sd14", "sdxl"])
@pytest.mark.parametrize(
    "cache", [CacheConfig(), CacheConfig(reuse="all", cache_point=2, skip_point=3), CacheConfig(trunk=1)]
)
def test_no_step_reads_from_the_device_or_copies_to_it(architecture: str, cache: CacheConfig) -> None:
    model = Architecture(tiny_unet_config(architecture))
    pipeline = random_pipeline(model, scheduler="dpm_solver", dtype="float32", device="meta")
    crossings = Crossings()
    entered: list[object] = []

    def begin(*_: object) -> None:
        """From the first pass on: what comes before it may move to the device."""
        if not entered:
            entered.append(crossings.__enter__())

    pipeline.unet.register_forward_pre_hook(begin)
    latents = CloudServer(pipeline, batch=8, cache=cache).denoise(CloudRequest(("a", "b"), 4, 0, 4, 3.0, 1)).latents
    crossings.__exit__(None, None, None)
    assert latents.is_meta and entered and crossings.found == []
