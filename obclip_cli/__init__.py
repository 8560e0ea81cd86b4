"""obclip: oblivious cloud-device hybrid image generation (an open implementation of arXiv 2510.04153).

What Python users need is importable from here, and loaded when it is first used: see docs/python.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "ObCLIPPipeline": "obclip_cli.pipeline",
    "ObCLIPOutput": "obclip_cli.pipeline",
    "UserError": "obclip_cli.errors",
    "accelerate": "obclip_cli.cloud.accelerate.any_pipeline",
    "candidates": "obclip_cli.prompts.reading",
    "compose_config": "obclip_cli.compose",
    "evaluate": "obclip_cli.evaluation.score",
    "load_pair": "obclip_cli.pipeline",
}
__all__ = ["__version__", *_HOMES]

if TYPE_CHECKING:
    from obclip_cli.cloud.accelerate.any_pipeline import accelerate as accelerate
    from obclip_cli.compose import compose_config as compose_config
    from obclip_cli.errors import UserError as UserError
    from obclip_cli.evaluation.score import evaluate as evaluate
    from obclip_cli.pipeline import ObCLIPOutput as ObCLIPOutput
    from obclip_cli.pipeline import ObCLIPPipeline as ObCLIPPipeline
    from obclip_cli.pipeline import load_pair as load_pair
    from obclip_cli.prompts.reading import candidates as candidates


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
