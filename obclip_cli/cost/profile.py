"""What a configured pair costs, step by step and in all, from its architectures alone."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pandas as pd

from obclip_cli.config import Config, ModelConfig
from obclip_cli.cost.macs import Macs
from obclip_cli.cost.run import run_macs
from obclip_cli.cost.savings import savings
from obclip_cli.cost.traffic import traffic_bytes
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.architectures import Architecture, parameters_of
from obclip_cli.diffusion.schedule import split


def architecture_of(model: ModelConfig) -> Architecture:
    """A model's architecture by its name, or from the files of its folder.

    Raises:
        UserError: it names none and is not on this machine.
    """
    if model.architecture is not None:
        return model.architecture
    folder = hub.folders(model)[0]
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
    cloud = split(config.pair, config.hybrid).cloud
    return savings(
        architecture_of(config.pair.cloud),
        candidates=candidates,
        guidance_scale=cloud.guidance_scale,
        steps=cloud.stop - cloud.start,
        cache=config.cache,
        batch=config.rows_at_once,
    )


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
