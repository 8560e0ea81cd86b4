"""Tables of homomorphic encryption: operations and one block, with estimates, and one latent fetched in private."""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.cost.macs import Macs, pass_macs
from obclip_cli.cost.profile import architecture_of
from obclip_cli.diffusion import pairs
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.report.tables import write_table
from obclip_cli.runs import read_table
from obclip_cli.secure.block import encrypted_block
from obclip_cli.secure.measure import Setting

SLOTS, WIDTH = 8192, 192  # of a ciphertext, and of them used, in the measured linear layer
COLUMNS = {"peak_bytes": "peak_megabytes"}
LEFT_OUT = [
    "seconds",
    "relative_error",
    "relative_error_with_own_statistics",
]  # of the block's table; they are in its run


def block_run(config: Config, folder: Path) -> Path:
    """Where the run of the encrypted block is kept."""
    return folder / "runs" / f"ckks_block-{config.pair.name}-{runs.run_digest(config, settings_of(config)['prompt'])}"


def make_block(config: Config, folder: Path, python: Path) -> Path:
    """Run the block, once; return its run.

    Args:
        python: of the environment with orion-fhe.

    Raises:
        UserError: weights are missing, or the block cannot be run.
    """
    pairs.require(config.pair)
    run = block_run(config, folder)
    if not (run / "block.csv").exists():
        rows = encrypted_block(python, Setting.of(config, settings_of(config)["prompt"]))
        runs.start(run, config)
        runs.write_text(run / "block.csv", pd.DataFrame(rows).to_csv(index=False))
    return run


def macs_of(pair: str) -> Macs:
    """Of one pass of a pair's large model with one row."""
    model = architecture_of(compose_config([f"pair={pair}"]).pair.cloud)
    return pass_macs(model.unet, model.text_tokens)


def write_encrypted(config: Config, folder: Path, run: Path) -> list[Path]:
    """`mpc_ckks.*` with its estimates, and `mpc_retrieval.*`; return the runs that they come from.

    Args:
        run: of the experiment; the block's own is read where it is there.
    """
    notes, block, used = settings_of(config)["notes"], block_run(config, folder), [run]
    measured = read_table(run / "ckks.csv")
    parts = [measured]
    if (block / "block.csv").exists():
        used.append(block)
        found = read_table(block / "block.csv").drop(columns=LEFT_OUT).rename(columns=COLUMNS)
        parts.append(found.assign(peak_megabytes=found["peak_megabytes"] / 1e6))
    table = pd.concat([pd.concat(parts).assign(figure="measured"), _estimates(config, measured)], ignore_index=True)
    table["figure"] = table.pop("figure")  # last
    named = f"Run{'s' if len(used) > 1 else ''}: {', '.join(f'runs/{each.name}' for each in used)}."
    write_table(table, folder / "mpc_ckks", caption=f"{notes['ckks']} {named}")
    write_table(read_table(run / "pir.csv"), folder / "mpc_retrieval", caption=f"{notes['pir']} Run: runs/{run.name}.")
    return used


def _estimates(config: Config, measured: pd.DataFrame) -> pd.DataFrame:
    """A whole pass of the pair's large model and of SD-v1.4's, from the measured operations."""
    each = {name: measured[measured["operation"].str.startswith(name)].iloc[0] for name in ("linear", "convolution")}
    each_mac = {name: row["cpu_seconds"] / row["macs"] for name, row in each.items()}
    formula = (
        "est.: convolution's MACs times its measured seconds a MAC, and linear layers' times theirs over "
        f"{SLOTS // WIDTH}, as if all slots of a ciphertext were in use; no attention, SiLU, norm or softmax"
    )
    estimates = []
    for name, pair in (("mini's large model", config.pair.name), ("SD-v1.4", "sd14-bksdm-small")):
        macs = macs_of(pair)
        seconds = macs.convolution * each_mac["convolution"] + macs.linear * each_mac["linear"] / (SLOTS // WIDTH)
        row = {"operation": f"one pass of {name}", "macs": macs.convolution + macs.linear}
        estimates.append(row | {"cpu_seconds": seconds, "figure": formula})
    return pd.DataFrame(estimates)
