"""Run a UNet with other rows than its caller gives: what the accelerations that save rows have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput

from obclip_cli.errors import UserError

# What other pipelines (ControlNet, T2I adapters) give the UNet beside the prompt, with all rows.
PER_ROW = ("down_block_additional_residuals", "mid_block_additional_residual", "down_intrablock_additional_residuals")
Rows = Callable[[torch.Tensor], torch.Tensor]


def has_residuals(arguments: Mapping[str, Any]) -> bool:
    """Whether a pipeline adds something of its own to every row."""
    return any(arguments.get(name) is not None for name in PER_ROW)


def check_plain(arguments: Mapping[str, Any], setting: str) -> None:
    """Refuse pipelines that add to every row.

    Raises:
        UserError: names the setting that cannot be used with them.
    """
    if has_residuals(arguments):
        raise UserError(f"cache.{setting} does not work with a ControlNet or an adapter; set cache.{setting}=null")


def conditions(arguments: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """The UNet's keyword arguments for other rows: `rows` takes them from every tensor that has a row a sample."""
    changed = dict(arguments)
    changed["encoder_hidden_states"] = rows(changed["encoder_hidden_states"])
    if added := changed.get("added_cond_kwargs"):
        changed["added_cond_kwargs"] = {name: rows(values) for name, values in added.items()}
    if changed.get("timestep_cond") is not None:
        changed["timestep_cond"] = rows(changed["timestep_cond"])
    return changed


def with_rows(result: Any, rows: Rows) -> Any:
    """The UNet's output with other rows, in the form that it came in."""
    if isinstance(result, tuple):
        return (rows(result[0]),)
    return UNet2DConditionOutput(sample=rows(result.sample))
