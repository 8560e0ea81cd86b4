"""`obclip profile --mpc`, `--ckks-block` and `--pir`: what hiding a prompt by cryptography costs, measured."""

import json
from pathlib import Path

import pandas as pd
import typer

from obclip_cli import runs
from obclip_cli.commands.reproduce import QUICK
from obclip_cli.compose import compose_config
from obclip_cli.report.progress import progress_bars
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.encryption import make_block
from obclip_cli.reproduction.experiment import module_of, run_folder
from obclip_cli.secure.environment import ORION, SPU, interpreter
from obclip_cli.secure.launch import script_rows


def profile_mpc(overrides: list[str], environment: Path | None, port: int | None, output: Path | None) -> None:
    """Make the run of the experiment `mpc` and print its tables.

    Raises:
        UserError: the environment is missing or wrong, a port is in use, or a party died.
    """
    config = compose_config(["experiment=mpc", *overrides])
    folder = output or (QUICK if overrides else Path("results"))
    runs.check_writable(folder)
    module = module_of(config)
    assert module is not None
    python = interpreter(SPU, environment)
    with progress_bars() as bar:
        module.make(config, folder, python, port, bar)
        module.run(config, folder, bar)
    for name in ("mpc", "mpc_ckks", "mpc_retrieval"):
        typer.echo((folder / f"{name}.md").read_text(encoding="utf-8"))
    for claim in module.claims(config, folder):
        typer.echo(f"{claim.claim} ({claim.source})\n  {claim.verdict.word}: {claim.verdict.why}")
    typer.echo(f"written to {folder}")


def profile_block(overrides: list[str], environment: Path | None, output: Path | None) -> None:
    """Make the run of the encrypted block and print its rows; where the experiment `mpc` has run, its tables have them.

    Raises:
        UserError: the environment is missing or wrong, or the block cannot be run.
    """
    config = compose_config(["experiment=mpc", *overrides])
    folder = output or (QUICK if overrides else Path("results"))
    runs.check_writable(folder)
    run = make_block(config, folder, interpreter(ORION, environment))
    for _, row in runs.read_table(run / "block.csv").iterrows():
        typer.echo(f"{row.dropna().to_string()}\n")
    if (run_folder(config, folder) / "steps.csv").exists():
        module = module_of(config)
        assert module is not None
        with progress_bars() as bar:
            module.run(config, folder, bar)
    typer.echo(f"written to {run}")


def profile_pir(environment: Path | None, output: Path | None, *, as_json: bool) -> None:
    """Print the row of one retrieval; with `output`, write it."""
    if output is not None:
        runs.check_writable(output)
    (row,) = script_rows(interpreter(SPU, environment), "homomorphic.py", "pir")
    if output is not None:
        runs.write_environment(output)
        write_table(
            pd.DataFrame([row]), output / "retrieval", caption="One of N latents by an encrypted one-hot vector"
        )
    typer.echo(json.dumps(row, indent=1) if as_json else pd.Series(row).to_string())
