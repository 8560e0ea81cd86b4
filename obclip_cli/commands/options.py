"""Options that several commands share, and how they become Hydra overrides."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from omegaconf import OmegaConf
from rich.console import Console
from rich.text import Text

from obclip_cli.compose import compose_config
from obclip_cli.config import Config, PrivacyConfig, plain
from obclip_cli.device.secret import client_key, make_on_first_use
from obclip_cli.errors import UserError, require
from obclip_cli.overrides import names_of, quoted


def _folder(text: str) -> Path:
    """The folder of `-o`.

    Raises:
        UserError: it is the empty word, as of a variable that is not set.
    """
    require(bool(text.strip()), "-o names no folder; leave it out, or type one as in -o results/mine")
    return Path(text)


if TYPE_CHECKING:
    from obclip_cli.device.choice import Choice
    from obclip_cli.prompts.reading import Reading

Overrides = Annotated[list[str] | None, typer.Argument(help="Hydra overrides: group.key=value ...", show_default=False)]
Pair = Annotated[str | None, typer.Option("--pair", help=f"Cloud and device model: {', '.join(names_of('pair'))}.")]
Dataset = Annotated[str | None, typer.Option("--dataset", help=f"One of {', '.join(names_of('dataset'))}.")]
SwitchPoint = Annotated[int | None, typer.Option("-k", "--switch-point", help="Steps that the cloud runs.")]
Lambda = Annotated[float | None, typer.Option("--lambda", help="How much better than 1/N a guess may be.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the starting noise.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Prompts of the dataset.")]
Server = Annotated[str | None, typer.Option("--server", help="Address of an `obclip serve`; no cloud model is loaded.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", parser=_folder, help="Folder for the results.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON, and nothing else.")]
ShowConfig = Annotated[bool, typer.Option("--cfg", help="Print the composed configuration and stop.")]
KEYS = {
    "pair": "pair",
    "dataset": "dataset",
    "switch_point": "hybrid.switch_point",
    "lambda_": "privacy.lambda",
    "seed": "seed",
    "limit": "dataset.limit",
    "server": "cloud.server",
}


def said(**options: Any) -> list[str]:
    """The overrides that options stand for; None where one was not given."""
    return [f"{KEYS[name]}={value}" for name, value in options.items() if value is not None]


def compose_from(overrides: list[str] | None, **options: Any) -> Config:
    """One configuration from overrides and options, the names of `KEYS`; options win.

    Raises:
        UserError: whatever is wrong with them.
    """
    texts = {name: quoted(value) for name, value in options.items() if isinstance(value, str)}
    return compose_config([*(overrides or []), *said(**options | texts)])


def print_config(config: Config) -> None:
    """What `--cfg` prints: the configuration as a run folder holds it."""
    typer.echo(OmegaConf.to_yaml(plain(config)), nl=False)


def ensure_secret(privacy: PrivacyConfig) -> None:
    """Make the client's secret where there has to be one and never was, and say so; a lost one is an error here.

    Raises:
        UserError: it cannot be made or read.
    """
    if made := make_on_first_use(privacy):
        typer.echo(f"made a client secret in {made}; keep it, for a new one makes new requests tell more", err=True)
    client_key(privacy)


def would_send(reading: "Reading", config: Config) -> "Choice":
    """Which candidates go up; the client's secret is made where there has to be one and never was.

    Raises:
        UserError: λ is out of range for the prompt, or the secret cannot be read.
    """
    import random

    from obclip_cli.config import taxonomy_path
    from obclip_cli.device.choice import Chooser
    from obclip_cli.prompts.decoys import fewest
    from obclip_cli.prompts.taxonomy import load_taxonomy

    privacy = config.privacy
    fewest(reading.n, privacy.lambda_)  # before a secret is made for a request that cannot be
    ensure_secret(privacy)
    taxonomy = load_taxonomy(taxonomy_path(config.pair.taxonomy))
    return Chooser(taxonomy, privacy, client_key(privacy), random.SystemRandom()).choose(reading.candidates)


def warn(message: str) -> None:
    """One line on standard error, to the letter."""
    Console(stderr=True).print(Text("warning: ", style="yellow").append(message, style="default"), soft_wrap=True)


def print_exactly(prompts: Iterable[str], *, err: bool = False) -> None:
    """One a line, character for character: neither wrapped nor read as markup."""
    for prompt in prompts:
        typer.echo(prompt, err=err)


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
    """Whether a word is a setting rather than a prompt: "E=mc2 with a woman" is one where there is no setting E."""
    key, equals, value = argument.partition("=")
    if not equals or re.fullmatch(r"[+~]{0,2}[\w./@-]+", key) is None:
        return False
    return " " not in value or re.split(r"[./@]", key.lstrip("+~"))[0] in {"hydra", *get_type_hints(Config)}
