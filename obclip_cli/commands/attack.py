"""`obclip attack`: what a server that sees everything it is sent can guess, against 1/N + lambda."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from obclip_cli.commands import options as o
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from obclip_cli.game.users import Users

EPILOG = """
Examples:

obclip attack --all

obclip attack position --scheme own-first --scheme all

obclip attack context --corpus captions.csv privacy.lambda=0.2

obclip attack detection --file prompts.jsonl
"""
# What `obclip_cli.attacks` calls them, which is not imported to print the help.
NAMES = (
    "prior, majority, position, surface, context, language-model, names, many-prompts, intersection-repeated, "
    "intersection-different, traffic, timing, inversion, image-inspection, latents, published-image, noised-latent, "
    "detection"
)
# As many as the verdicts need: a client's earlier requests, and requests that are answered for real.
REPEATS, OTHERS, ANSWERED, PUBLISHED = 6, 6, 20, 20


def attack(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME] [KEY=VALUE]...", help=f"One of {NAMES}; then overrides.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every attack.")] = False,
    scheme: Annotated[
        list[str] | None, typer.Option("--scheme", help="Attack this scheme only; may be repeated.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="For detection: labelled prompts, JSON lines.")] = None,
    taxonomy: Annotated[
        str, typer.Option("--taxonomy", help="For detection: a file in configs/privacy/taxonomy.")
    ] = "paper",
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="What people write: a text a line, CSV or JSON lines.")
    ] = None,
    language_model: Annotated[str | None, typer.Option("--language-model", help="A folder or hub id.")] = None,
    pair: o.Pair = None,
    lambda_: o.Lambda = None,
    seed: o.Seed = None,
    output: o.Output = None,
    as_json: o.AsJson = False,
    show_config: o.ShowConfig = False,
) -> None:
    """Play an honest-but-curious server against every way of hiding a prompt."""
    name, overrides = o.split_prompt(arguments or [])
    config = o.compose_from(overrides, pair=pair, lambda_=lambda_, seed=seed)
    if show_config:
        o.print_config(config)
        return
    if name == "detection":
        table = _detection(file, taxonomy, config)
    elif (name is None) != every:
        raise UserError("name one attack, as in `obclip attack position`, or give --all")
    elif file is not None:
        raise UserError("--file belongs to `obclip attack detection`")
    else:
        table = _play(config, name, scheme or [], output, corpus, language_model)
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    show(table)


def _play(
    config: Config,
    name: str | None,
    schemes: list[str],
    output: Path | None,
    corpus: Path | None,
    language_model: str | None,
) -> "pd.DataFrame":
    """Record the schemes and try the attacks; one row a pair of them."""
    from obclip_cli import runs
    from obclip_cli.attacks import ATTACKS
    from obclip_cli.attacks.corpus import read_corpus
    from obclip_cli.game.run import Arena, check_attack, run_matrix, schemes_of, users_for
    from obclip_cli.report.progress import progress_bars

    names = [check_attack(name)] if name else list(ATTACKS)
    texts = None if corpus is None else read_corpus(corpus)  # before anything is loaded
    users = users_for(config, repeats=REPEATS, others=OTHERS)
    folder = output or Path("results/attack") / _folder_name(config, users)
    runs.check_same(folder, config)
    asked = names, schemes, texts, language_model
    if runs.is_finished(folder, config, asked):
        return runs.read_table(folder / "scores.csv")
    arena = Arena(
        config, users=users, answered=ANSWERED, published=PUBLISHED, corpus=corpus, language_model=language_model
    )
    chosen = schemes_of(arena, schemes, config.privacy.lambda_)
    runs.check_writable(folder)
    with progress_bars() as bar:
        run_matrix(arena, chosen, names, folder, bar)
    runs.mark_finished(folder, config, asked)
    return runs.read_table(folder / "scores.csv")


def _folder_name(config: Config, users: "Users") -> str:
    from obclip_cli import runs

    return f"{config.pair.name}-{runs.run_digest(config, users.templates, REPEATS, OTHERS, ANSWERED)}"


def _detection(file: Path | None, taxonomy_name: str, config: Config) -> "pd.DataFrame":
    """Precision, recall and F1 of the detector on labelled prompts, by attribute."""
    from obclip_cli.metrics.detection import detection_scores
    from obclip_cli.prompts.detect import records
    from obclip_cli.prompts.detect_transformer import load_detector
    from obclip_cli.prompts.taxonomy import load_taxonomy
    from obclip_cli.report.progress import watched

    if file is None:
        raise UserError("detection needs labelled prompts: obclip attack detection --file prompts.jsonl")
    taxonomy, find = load_taxonomy(taxonomy_path(taxonomy_name)), load_detector(config.privacy.detector)
    return detection_scores(file, lambda prompt: records(find(prompt, taxonomy), taxonomy), watched)


def show(table: "pd.DataFrame") -> None:
    """Print a table for a person."""
    import pandas as pd

    from obclip_cli.report.tables import print_table

    words = [column for column in map(str, table) if not pd.api.types.is_numeric_dtype(table[column])]
    names = {column: column.replace("_", " ") for column in map(str, table)}
    cells = table.map(_cell).rename(columns=names)
    print_table(cells, keys=list(names.values())[:2], left=[names[column] for column in words], styles={"LEAK": "red"})


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"  # nan is not itself
    return str(value)
