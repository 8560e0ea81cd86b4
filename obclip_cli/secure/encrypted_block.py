"""One residual block under CKKS, and the bootstrapping that a next one would need: orion-fhe, as a script.

Runs in the environment `ORION` of `environment.py` and imports nothing of obclip.

    encrypted_block.py block FILE        the block of block.py's arrays, with all of its levels and no bootstrapping
    encrypted_block.py bootstrap FILE    one ciphertext of as many values, in a ring that is large enough for that

Each prints a line of JSON; server and user are one process. Source: Orion (arXiv 2311.03470) over Lattigo.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import orion
import torch
from orion import nn
from orion.core import scheme

DEGREE = 15  # of the polynomial for SiLU: four levels
MARGIN = 1.25  # its range is that of the other images, so much wider
REPEATS = 3
Row = dict[str, Any]
# Eleven levels: 428 bits of modulus, P included; 128-bit security leaves 438 in a ring of 16384 with a dense secret.
BLOCK: Row = {"LogN": 14, "LogQ": [37, *[32] * 11], "LogP": [39], "LogScale": 32, "H": 10922, "RingType": "standard"}
# Orion's own set for ResNets with one level more: 495 bits, and with bootstrapping's 15 levels 1743 of 1767.
RING: Row = {"LogN": 16, "LogQ": [55, *[40] * 11], "LogP": [61] * 3, "LogScale": 40, "H": 16384, "RingType": "standard"}
BOOTSTRAPPING: Row = {"LogP": [61] * 7}


class Block(nn.Module):
    """norm1 -> SiLU -> conv1 -> SiLU -> conv2 -> + input; norm1 a factor and a summand a channel, norm2 in conv1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.Conv2d(channels, channels, 1, groups=channels)
        self.act1, self.act2 = nn.SiLU(degree=DEGREE), nn.SiLU(degree=DEGREE)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.add = nn.Add()

    def forward(self, x: Any) -> Any:
        return self.add(self.conv2(self.act2(self.conv1(self.act1(self.norm1(x))))), x)


def block(given: dict[str, torch.Tensor]) -> Row:
    """The first image's block encrypted, against the same in the clear; the others set SiLU's range."""
    x, started = given["input"], time.process_time()
    net = Block(x.shape[1])
    net.load_state_dict({name: given[name] for name in net.state_dict()})
    wanted = net(x[:1]).detach()
    begin(BLOCK, {"embedding_method": "hybrid", "margin": MARGIN})
    orion.fit(net, x[1:])
    fit_error = max(fit(act) for act in (net.act1, net.act2))
    for layer in net.modules():  # fitted on several images, run on one
        for name, shape in list(vars(layer).items()):
            if name.endswith("put_shape"):
                setattr(layer, name, torch.Size([1, *shape[1:]]))
    level = orion.compile(net)
    net.he()
    hidden = orion.encrypt(orion.encode(x[:1], level))
    prepared = time.process_time() - started
    found, cpu, seconds = timed(lambda: net(hidden), REPEATS)
    values = found.decrypt().decode()
    return {
        "ring": 2 ** BLOCK["LogN"],
        "operation": "a residual block of mini's large model by orion-fhe, norms with fixed statistics",
        "levels": sum(layer.depth for layer in net.children()),
        "macs": sum(layer.weight[0].numel() * wanted.numel() for layer in (net.conv1, net.conv2)),
        "cpu_seconds": cpu,
        "error": float((values - wanted).abs().max() / wanted.abs().max()),
        "fit_error": fit_error,
        "seconds": seconds,
        "prepare_cpu_seconds": prepared,
        "ciphertexts": len(hidden),
        "rotation_keys": len(scheme.lt_evaluator.saved_rotation_keys),
        "relative_error": distance(values, wanted),
        "relative_error_with_own_statistics": distance(values, given["output"]),
        "peak_bytes": peak_bytes(),
    }


def bootstrap(given: dict[str, torch.Tensor]) -> Row:
    """One bootstrapping of as many values as the block takes."""
    values, started = given["input"][:1].flatten(), time.process_time()
    values /= values.abs().max()  # it is for -1..1
    begin(RING, {}, BOOTSTRAPPING)
    scheme.bootstrapper.generate_bootstrapper(len(values))
    hidden = orion.encrypt(orion.encode(values, 1))
    prepared = time.process_time() - started
    found, cpu, seconds = timed(hidden.bootstrap, 1)
    again = found.decrypt().decode()
    return {
        "ring": 2 ** RING["LogN"],
        "operation": f"bootstrapping {len(values)} values by orion-fhe, from level {hidden.level()} to {found.level()}",
        "cpu_seconds": cpu,
        "error": float((again - values).abs().max() / values.abs().max()),
        "seconds": seconds,
        "prepare_cpu_seconds": prepared,
        "ciphertexts": len(hidden),
        "relative_error": distance(again, values),
        "peak_bytes": peak_bytes(),
    }


def begin(ring: Row, settings: Row, bootstrapping: Row | None = None) -> None:
    orion.init_scheme({"ckks_params": ring, "boot_params": bootstrapping or {}, "orion": settings | {"debug": False}})


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, float, float]:
    """The result, and medians of CPU seconds (of all threads) and of seconds."""
    taken = []
    for _ in range(repeats):
        started, cpu = time.perf_counter(), time.process_time()
        result = work()
        taken.append((time.process_time() - cpu, time.perf_counter() - started))
    return result, *np.median(taken, axis=0).tolist()


def fit(act: Any) -> float:
    """SiLU's polynomial on the range that Orion found, whose own fit is off by half a percent; its largest error."""
    domain = [act.low, act.high]
    poly = np.polynomial.Chebyshev.interpolate(lambda x: x / (1 + np.exp(-x)), DEGREE, domain=domain)
    act.set_coeffs(poly.coef.tolist())
    grid = np.linspace(act.low, act.high, 2001)
    return float(np.abs(poly(grid) - grid / (1 + np.exp(-grid))).max())


def distance(ours: torch.Tensor, there: torch.Tensor) -> float:
    """Relative L2 distance."""
    return float((ours - there).norm() / there.norm())


def peak_bytes() -> int:
    """Of this program alone, since it began."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    arrays = {name: torch.from_numpy(array) for name, array in np.load(sys.argv[2]).items()}
    with redirect_stdout(sys.stderr):  # where Orion's own words go
        line = {"block": block, "bootstrap": bootstrap}[sys.argv[1]](arrays)
    print(json.dumps(line), flush=True)
