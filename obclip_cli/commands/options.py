"""Options that several commands share, and how they become Hydra overrides."""

from pathlib import Path
from typing import Annotated

import typer

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.errors import UserError

Overrides = Annotated[list[str] | None, typer.Argument(help="Hydra overrides: group.key=value ...", show_default=False)]
Pair = Annotated[str | None, typer.Option("--pair", help="Cloud/device pair, a name in configs/pair.")]
SwitchPoint = Annotated[int | None, typer.Option("-k", "--switch-point", help="Steps that the cloud runs.")]
Lambda = Annotated[float | None, typer.Option("--lambda", help="How much better than 1/N a guess may be.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the starting noise.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON, and nothing else.")]
ShowConfig = Annotated[bool, typer.Option("--cfg", help="Print the composed configuration and stop.")]


def compose_from(
    overrides: list[str] | None,
    *,
    pair: str | None = None,
    switch_point: int | None = None,
    lambda_: float | None = None,
    seed: int | None = None,
    extra: dict[str, str] | None = None,
) -> Config:
    """One configuration from options and overrides; options win.

    Raises:
        UserError: whatever is wrong with them.
    """
    options = {
        "pair": pair,
        "hybrid.switch_point": switch_point,
        "privacy.lambda": lambda_,
        "seed": seed,
        **(extra or {}),
    }
    said = [f"{key}={value}" for key, value in options.items() if value is not None]
    return compose_config([*(overrides or []), *said])


def split_prompt(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Tell the prompt from the overrides after it.

    Raises:
        UserError: two arguments are not overrides.
    """
    if not arguments:
        return None, []
    first, rest = arguments[0], arguments[1:]
    if _looks_like_override(first):
        return None, arguments
    if strays := [a for a in rest if not _looks_like_override(a)]:
        raise UserError(f'"{strays[0]}" is not an override (group.key=value); put the whole prompt in quotes')
    return first, rest


def _looks_like_override(argument: str) -> bool:
    key, equals, _ = argument.partition("=")
    return bool(equals) and key.lstrip("+~").replace(".", "").replace("_", "").isalnum()
