"""What each acceleration saves in each step of the cloud (arXiv 2510.04153, Fig. 12)."""

from dataclasses import replace

import pandas as pd

from obclip_cli.compose import compose_config
from obclip_cli.config import NO_ACCELERATION, CacheConfig
from obclip_cli.cost.macs import Macs, steps_macs
from obclip_cli.diffusion.architectures import Architecture, load_architecture
from obclip_cli.diffusion.conditioning import is_guided

# In the order in which the paper's tables add them, ours last.
PARTS = {
    "attention cache": ("cache_point", "refresh"),
    "block skip": ("skip_point", "fresh_conv_in"),
    "pivot attention": ("reuse", "reuse_layers"),
    "shared first step": ("shared_first_step",),
}


def savings(
    model: Architecture,
    *,
    candidates: int,
    guidance_scale: float,
    steps: int,
    cache: CacheConfig,
    batch: int | None = None,
) -> pd.DataFrame:
    """One row a step, in G multiply-accumulates of all candidates, both attention products counted.

    Columns: `step`, `computed`, and one a part of `PARTS`: what that part saves when it is added to those before it.
    The row's sum is the cost without accelerations.
    """
    guided = is_guided(model.unet, guidance_scale)

    def costs(upto: CacheConfig) -> list[Macs]:
        return steps_macs(
            model.unet, model.text_tokens, candidates=candidates, guided=guided, steps=steps, cache=upto, batch=batch
        )

    chosen = NO_ACCELERATION
    before = costs(chosen)
    table = pd.DataFrame({"step": range(steps)})
    for part, keys in PARTS.items():
        chosen = replace(chosen, **{key: getattr(cache, key) for key in keys})
        after = costs(chosen)
        table[part] = [(old.total - new.total) / 1e9 for old, new in zip(before, after, strict=True)]
        before = after
    table.insert(1, "computed", [cost.total / 1e9 for cost in before])
    return table


def figure12() -> dict[str, pd.DataFrame]:
    """The paper's settings for SD-v1.4 and N = 6, in one table each."""
    settings = {
        f"SD-v1.4, N = 6, k = {k}": compose_config([f"cache={preset}", f"hybrid.switch_point={k}"])
        for preset, k in (("paper_k5", 5), ("paper_k10", 10))
    }
    model = load_architecture("sd14")
    return {
        name: savings(model, candidates=6, guidance_scale=7.0, steps=config.hybrid.switch_point, cache=config.cache)
        for name, config in settings.items()
    }
