"""With JAX and SPU, where their environment is: the UNet is diffusers' own, and real parties do as they are told."""

import json
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from obclip_cli.compose import compose_config
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.errors import UserError
from obclip_cli.secure import measure
from obclip_cli.secure.plan import Variant, unet_file
from tests.secure.conftest import PLACE, needs_spu

PYTHON = PLACE / "bin" / "python"
# The largest difference to diffusers, of predictions of about 3.5 at the most.
EXACT, TANH = 1e-4, 1e-2
SCRIPT = """
import functools, json, sys
import jax, numpy as np
from safetensors.numpy import load_file
sys.path.insert(0, sys.argv[1])
import unet_jax
given, weights = np.load(sys.argv[2]), unet_jax.layout(load_file(sys.argv[3]))
config = json.loads(sys.argv[4])
sines = unet_jax.timestep_embedding(500, config["block_out_channels"][0])
found, gelu = [], jax.nn.gelu
for tanh in (True, False):
    jax.nn.gelu = lambda x, approximate: gelu(x, approximate=tanh)
    found.append(unet_jax.unet(weights, config, given["latents"].transpose(0, 2, 3, 1), sines, given["words"]))
np.save(sys.argv[5], np.stack(found).transpose(0, 1, 4, 2, 3))
"""


@needs_spu
@pytest.mark.slow
@pytest.mark.parametrize("side", ["cloud", "device"])
def test_the_unet_in_jax_is_diffusers_own_but_for_gelu(side: str, tmp_path: Path) -> None:
    config = compose_config()
    config.pair.cloud = getattr(config.pair, side)
    unet = load_pipeline(config.pair.cloud, dtype="float32", device="cpu").unet
    chance = torch.Generator().manual_seed(0)
    latents, words = torch.randn(2, 8, 16, 16, generator=chance), torch.randn(2, 24, 192, generator=chance)
    np.savez(tmp_path / "given.npz", latents=latents, words=words)
    plain = {key: value for key, value in dict(unet.config).items() if key[0] != "_"}
    paths = [str(measure.HERE), str(tmp_path / "given.npz"), str(unet_file(config)), json.dumps(plain)]
    subprocess.run([PYTHON, "-c", SCRIPT, *paths, str(tmp_path / "found.npy")], check=True, capture_output=True)
    with torch.inference_mode():
        wanted = unet(latents, 500, words).sample.numpy()
    tanh, exact = np.abs(np.load(tmp_path / "found.npy") - wanted).max(axis=(1, 2, 3, 4))
    assert exact < EXACT and exact < tanh < TANH


@needs_spu
@pytest.mark.slow
def test_servers_with_unequal_weights_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config = compose_config(["hybrid.switch_point=1"])
    config.pair.cloud = config.pair.device  # the smaller one
    setting, variant = measure.Setting.of(config, "a man"), Variant("SEMI2K", "public", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(UserError, match="is not free"):
        measure.measure(setting, variant, PYTHON, port=server.getsockname()[1], advance=lambda _: None)
    (own,) = tmp_path.glob("obclip/mpc-runs/*/1/weights.safetensors")
    changed = bytearray(own.read_bytes())
    changed[-1] ^= 1
    own.unlink()
    own.write_bytes(changed)
    with pytest.raises(UserError, match="do not hold the same weights"):
        measure.measure(setting, variant, PYTHON, port=None, advance=lambda _: None)
