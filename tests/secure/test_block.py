"""The block that is encrypted is diffusers' own but for its norms' statistics; with orion-fhe, it is run."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.reproduction import encryption
from obclip_cli.secure.block import block_arrays, encrypted_block, folded_block
from obclip_cli.secure.launch import script_rows
from obclip_cli.secure.measure import Setting
from tests.secure.conftest import ORION_PLACE, needs_orion

CONFIG = ["experiment=mpc", "hybrid.switch_point=2"]


def as_encrypted(x: torch.Tensor, given: dict[str, torch.Tensor]) -> torch.Tensor:
    """The block that encrypted_block.py computes, in PyTorch."""
    silu, conv = torch.nn.functional.silu, torch.nn.functional.conv2d
    normal = conv(x, given["norm1.weight"], given["norm1.bias"], groups=x.shape[1])
    middle = conv(silu(normal), given["conv1.weight"], given["conv1.bias"], padding=1)
    return x + conv(silu(middle), given["conv2.weight"], given["conv2.bias"], padding=1)


@torch.inference_mode()
def test_with_its_own_statistics_it_is_the_block_itself() -> None:
    block = load_pipeline(compose_config().pair.cloud, dtype="float32", device="cpu").unet.down_blocks[0].resnets[0]
    chance = torch.Generator().manual_seed(0)
    x, embedding = torch.randn(1, 32, 16, 16, generator=chance), torch.randn(1, 128, generator=chance)
    torch.testing.assert_close(as_encrypted(x, folded_block(block, x, embedding)), block(x, embedding))


def test_with_other_images_statistics_it_is_near() -> None:
    config = compose_config(CONFIG)
    arrays = block_arrays(Setting.of(config, "an old woman with dark skin"))
    given = {name: torch.from_numpy(array) for name, array in arrays.items()}
    x, wanted = given["input"][:1], given["output"]
    assert x.shape == wanted.shape == (1, 32, 16, 16) and len(given["input"]) > 2
    error, change = (as_encrypted(x, given) - wanted).norm(), (wanted - x).norm()
    assert 0 < error < change / 5


def test_a_script_that_is_killed_says_so(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho its last words >&2\nkill -9 $$\n")
    python.chmod(0o755)
    with pytest.raises(UserError, match=r"encrypted_block.py block failed \(ended by SIGKILL\)"):
        script_rows(python, "encrypted_block.py", "block")


def test_its_rows_stand_in_the_table_as_measured(tmp_path: Path) -> None:
    config = compose_config(["experiment=mpc"])
    run, block = tmp_path / "runs" / "mpc-x", encryption.block_run(config, tmp_path)
    for folder in (run, block):
        folder.mkdir(parents=True)
    rows = [{"operation": name, "macs": 10, "cpu_seconds": 1.0} for name in ("linear", "convolution")]
    pd.DataFrame(rows).to_csv(run / "ckks.csv", index=False)
    pd.DataFrame([{"candidates": 30}]).to_csv(run / "pir.csv", index=False)
    assert encryption.write_encrypted(config, tmp_path, run) == [run]
    without = pd.read_csv(tmp_path / "mpc_ckks.csv")
    row = {
        "operation": "a residual block",
        "cpu_seconds": 2.0,
        "peak_bytes": 3e6,
        **dict.fromkeys(encryption.LEFT_OUT, 0),
    }
    pd.DataFrame([row]).to_csv(block / "block.csv", index=False)
    assert encryption.write_encrypted(config, tmp_path, run) == [run, block]
    table = pd.read_csv(tmp_path / "mpc_ckks.csv")
    assert list(table["figure"].str[:4]) == ["meas"] * 3 + ["est."] * 2 and table["peak_megabytes"][2] == 3
    assert list(table["cpu_seconds"][3:]) == list(without["cpu_seconds"][2:])  # estimates are of TenSEAL's operations
    assert f"Runs: runs/mpc-x, runs/{block.name}." in (tmp_path / "mpc_ckks.md").read_text()


@needs_orion
@pytest.mark.slow
def test_it_comes_out_encrypted() -> None:
    """SiLU's polynomial and CKKS together, on values up to 5: under a hundredth of the largest."""
    block, bootstrapping = encrypted_block(
        ORION_PLACE / "bin" / "python", Setting.of(compose_config(CONFIG), "an old woman with dark skin")
    )
    assert block["levels"] == 11 and block["ciphertexts"] == 1 and block["error"] < 0.01
    assert block["relative_error"] < 0.01 < block["relative_error_with_own_statistics"] < 0.2
    assert bootstrapping["error"] < 1e-4 and "level 1 to 11" in bootstrapping["operation"]
