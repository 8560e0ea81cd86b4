"""What a configured pair computes and sends, step by step and in all, from its architectures alone."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any

import pandas as pd
import torch

from obclip_cli.cloud.accelerate import ACCELERATIONS
from obclip_cli.cloud.accelerate.acceleration import Acceleration
from obclip_cli.compose import compose_config
from obclip_cli.config import CacheConfig, Config, ModelConfig
from obclip_cli.cost.macs import Macs, run_macs, steps_macs
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.architectures import Architecture, load_architecture, parameters_of
from obclip_cli.diffusion.conditioning import is_guided
from obclip_cli.diffusion.schedule import split

# Assumed for a prompt; what is really sent is measured by `obclip generate`.
PROMPT_BYTES = 80


def architecture_of(model: ModelConfig) -> Architecture:
    """A model's architecture by its name, or from the files of its folder.

    Raises:
        UserError: it names none and is not on this machine.
    """
    if model.architecture is not None:
        return model.architecture
    folder = hub.folders(model)["path"]
    unet = {k: v for k, v in json.loads((folder / "unet" / "config.json").read_text()).items() if k[0] != "_"}
    tokenizer = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text())
    return Architecture(unet, tokenizer["model_max_length"])


def profile_pair(config: Config, candidates: int) -> dict[str, Any]:
    """Rows of steps of equal cost and of each side's sum, in units named by their columns."""
    divided = split(config.pair, config.hybrid)
    cloud, device = architecture_of(config.pair.cloud), architecture_of(config.pair.device)
    on_cloud, on_device = run_macs(
        cloud, device, divided, cache=config.cache, candidates=candidates, batch=config.rows_at_once
    )
    rows = [
        *_stretches("cloud", on_cloud),
        _row("cloud", "all", on_cloud, "paper_cloud", parameters_of(cloud.unet)),
        _row("device", "all", on_device, "paper_device", parameters_of(device.unet)),
    ]
    up, down = traffic_bytes(cloud.unet, config, candidates)
    return {
        "pair": config.pair.name,
        "candidates": candidates,
        "cache": config.cache.name,
        "dtype": config.pair.dtype,
        "rows": rows,
        "bytes_up": up,
        "bytes_down": down,
    }


def savings_of(config: Config, candidates: int) -> pd.DataFrame:
    """What each acceleration of a configuration saves in each step; columns as in `savings`."""
    cloud, model = split(config.pair, config.hybrid).cloud, architecture_of(config.pair.cloud)
    steps, guided = cloud.count, is_guided(model.unet, cloud.guidance_scale)
    return savings(model, config.cache, candidates=candidates, guided=guided, steps=steps, batch=config.rows_at_once)


def savings(
    model: Architecture, cache: CacheConfig, *, candidates: int, guided: bool, steps: int, batch: int | None = None
) -> pd.DataFrame:
    """One row a step, in G multiply-accumulates of all candidates, both attention products counted (Fig. 12).

    Columns: `step`, `computed`, and one an acceleration that is on: what it saves when it is added to those before it.
    The row's sum is the cost without accelerations.
    """

    def totals(chosen: list[Acceleration]) -> list[int]:
        count = partial(steps_macs, model.unet, model.text_tokens, candidates=candidates, guided=guided)
        return [cost.total for cost in count(steps=steps, chosen=chosen, batch=batch)]

    table = pd.DataFrame({"step": range(steps)})
    chosen: list[Acceleration] = []
    before = totals(chosen)
    for kind in ACCELERATIONS:
        if (part := kind.of(cache)) is None:
            continue
        chosen.append(part)
        after = totals(chosen)
        table[kind.label] = [(old - new) / 1e9 for old, new in zip(before, after, strict=True)]
        before = after
    table.insert(1, "computed", [total / 1e9 for total in before])
    return table


def figure12() -> dict[str, pd.DataFrame]:
    """Savings at the paper's settings for SD-v1.4 and N = 6, in one table each."""
    model = load_architecture("sd14")
    return {
        f"SD-v1.4, N = 6, k = {k}": savings(
            model,
            compose_config([f"cache=paper_k{k}", f"hybrid.switch_point={k}"]).cache,
            candidates=6,
            guided=True,
            steps=k,
        )
        for k in (5, 10)
    }


def latent_bytes(unet: Mapping[str, Any], dtype: str) -> int:
    """Bytes of one latent."""
    size = unet["sample_size"]
    return unet["in_channels"] * size * size * torch.empty((), dtype=getattr(torch, dtype)).element_size()


def traffic_bytes(unet: Mapping[str, Any], config: Config, candidates: int) -> tuple[int, int]:
    """(up, down) for N candidates, without message headers (Section 4.1): prompts up, latents down; history doubles
    what comes down.
    """
    one = latent_bytes(unet, config.pair.dtype)
    tensors = 2 if config.hybrid.handover == "history" else 1
    if config.hybrid.order == "client_first":
        return PROMPT_BYTES * candidates + tensors * one, one * candidates
    return PROMPT_BYTES * candidates, tensors * one * candidates


def _stretches(side: str, costs: list[Macs]) -> Iterator[dict[str, Any]]:
    """Neighbouring steps of equal cost as one row, per step."""
    place = 0
    for cost, group in groupby(costs):
        length = len(list(group))
        steps = f"{place}" if length == 1 else f"{place}-{place + length - 1}"
        yield _row(side, f"step {steps}", [cost], "paper_cloud", None)
        place += length


def _row(side: str, steps: str, costs: list[Macs], convention: str, parameters: int | None) -> dict[str, Any]:
    total = sum(costs, Macs())
    return {
        "side": side,
        "steps": steps,
        "convolution_gmacs": total.convolution / 1e9,
        "linear_gmacs": total.linear / 1e9,
        "query_key_gmacs": total.query_key / 1e9,
        "attention_value_gmacs": total.attention_value / 1e9,
        "full_gmacs": total.total / 1e9,
        "paper_gmacs": getattr(total, convention) / 1e9,
        "parameters_m": "" if parameters is None else round(parameters / 1e6, 2),
    }
