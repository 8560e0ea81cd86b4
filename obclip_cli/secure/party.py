"""Denoising steps on shares under SecretFlow SPU (github.com/secretflow/spu): the program of one party.

Runs in the environment of `environment.py`, as a script: it imports nothing of obclip but the UNet beside it.

    party.py share FOLDER       the user shares latents and prompt, the model's owner the weights
    party.py run FOLDER RANK    one server: sees `RANK/` and `plan.json` only
    party.py open FOLDER        the user puts the shares of the answer together
"""

import hashlib
import json
import os
import pickle
import re
import sys
import threading
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

import jax
import numpy as np
import spu
import spu.utils.frontend as frontend
from safetensors.numpy import load_file
from spu import libspu
from unet_jax import layout, timestep_embedding, unet

SECRET, PUBLIC = libspu.Visibility.VIS_SECRET, libspu.Visibility.VIS_PUBLIC
LINK = re.compile(r"total send bytes (\d+), recv bytes (\d+), send actions (\d+)")
STATE = ("latents", "previous")  # what a step takes and leaves, (1, h, w, c) each
WAIT = 600_000  # milliseconds for another party's message; a party that is gone is seen by the launcher


def guided_step(config: dict[str, Any], arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Latents and the prediction of the clean ones after one guided step of a linear solver.

    `guidance` is the scale, `solver` the five weights of latents, prediction and last clean latents (plan.py).
    """
    latents, previous, solver = arguments["latents"], arguments["previous"], arguments["solver"]
    rows = jax.numpy.concatenate([latents, latents])
    predicted = unet(arguments["weights"], config, rows, arguments["sines"], arguments["words"])
    guided = predicted[:1] + arguments["guidance"] * (predicted[1:] - predicted[:1])
    clean = solver[0] * latents + solver[1] * guided
    return solver[2] * latents + solver[3] * guided + solver[4] * previous, clean


def runtime_config(plan: dict[str, Any]) -> libspu.RuntimeConfig:
    config = libspu.RuntimeConfig(spu.parse_protocol_kind(plan["protocol"]), libspu.FieldType.FM64)
    config.enable_hal_profile = config.enable_pphlo_profile = True
    return config


def inputs(plan: dict[str, Any], weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arguments of the first step as arrays, the secret ones zero."""
    shape, words = plan["latents"], plan["words"]
    return {
        "weights": weights,
        "latents": np.zeros(shape, np.float32),
        "previous": np.zeros(shape, np.float32),
        "words": np.zeros(words, np.float32),
        "sines": timestep_embedding(0, plan["config"]["block_out_channels"][0]),
        "guidance": np.array(plan["guidance"], np.float32),
        "solver": np.zeros(5, np.float32),
    }


def names_of(arguments: dict[str, Any]) -> list[str]:
    """A name for each array, in JAX's order."""
    paths, _ = jax.tree_util.tree_flatten_with_path(arguments)
    return ["/".join(str(key.key) for key in path) for path, _ in paths]


def is_secret(name: str, plan: dict[str, Any]) -> bool:
    return name in (*STATE, "words") or (name.startswith("weights/") and plan["weights"] == "secret")


def share(folder: Path, plan: dict[str, Any]) -> None:
    """Write what each server gets."""
    given = np.load(folder / "secret.npz")
    secret = {"latents": given["latents"], "previous": np.zeros_like(given["latents"]), "words": given["words"]}
    if plan["weights"] == "secret":
        weights = layout(load_file(plan["unet"]))
        secret |= {f"weights/{name}": array for name, array in weights.items()}
    io, sharing = spu.Io(plan["parties"], runtime_config(plan)), token_hex(8)
    shares = {name: io.make_shares(array, SECRET) for name, array in secret.items()}
    for rank in range(plan["parties"]):
        own = folder / str(rank)
        own.mkdir(exist_ok=True)
        (own / "input").write_bytes(pickle.dumps({name: one[rank] for name, one in shares.items()}))
        (own / "sharing").write_text(sharing)


def run(folder: Path, plan: dict[str, Any], rank: int) -> None:
    """The steps from `begin` on; each leaves its shares and its costs in `RANK/`."""
    threading.Thread(target=leave_with_the_launcher, daemon=True).start()
    own, log = folder / str(rank), folder / str(rank) / "spu.log"
    begin, weights, digest = plan["begin"], own_weights(own, plan), (own / "sharing").read_text()
    if plan["weights"] == "public":
        digest = hashlib.sha256((own / "weights.safetensors").read_bytes()).hexdigest()
    say(agree=digest[:16])
    log.unlink(missing_ok=True)
    options = libspu.logging.LogOptions()
    options.enable_console_logger, options.system_log_path = False, str(log)
    libspu.logging.setup_logging(options)

    arguments = inputs(plan, weights)
    names, (flat, tree) = names_of(arguments), jax.tree_util.tree_flatten(arguments)
    visible = [SECRET if is_secret(name, plan) else PUBLIC for name in names]

    def step(*arrays: Any) -> tuple[Any, Any]:
        return guided_step(plan["config"], jax.tree_util.tree_unflatten(tree, arrays))

    executable, _ = frontend.compile(
        frontend.Kind.JAX, step, flat, {}, names, visible, lambda outputs: [f"out/{name}" for name in STATE]
    )
    description = libspu.link.Desc()
    description.recv_timeout_ms = description.http_timeout_ms = WAIT
    for place, port in enumerate(plan["ports"]):
        description.add_party(f"party{place}", f"127.0.0.1:{port}")
    link = libspu.link.create_brpc(description, rank)
    config = runtime_config(plan)
    vm, io = spu.Runtime(link, config), spu.Io(plan["parties"], config)
    for name, shared in pickle.loads((own / "input").read_bytes()).items():
        vm.set_var(name, shared)
    if begin:
        for name, shared in pickle.loads((own / f"step{begin - 1}").read_bytes()).items():
            vm.set_var(name, shared)
    public = {name: array for name, array in zip(names, flat, strict=True) if not is_secret(name, plan)}
    for name, array in public.items():
        vm.set_var(name, io.make_shares(array, PUBLIC)[rank])
    say(ready=peak_bytes())
    for place in range(begin, len(plan["steps"])):
        timestep, solver = plan["steps"][place]["timestep"], plan["steps"][place]["solver"]
        sines = timestep_embedding(timestep, plan["config"]["block_out_channels"][0])
        for name, array in (("sines", sines), ("solver", np.float32(solver))):
            vm.set_var(name, io.make_shares(array, PUBLIC)[rank])
        started, cpu = time.perf_counter(), time.process_time()
        vm.run(executable)
        state = {name: vm.get_var(f"out/{name}") for name in STATE}
        facts = {"step": place, "seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
        for name, shared in state.items():
            vm.set_var(name, shared)
        facts |= dict(zip(("bytes", "received", "messages"), sent(log), strict=True))
        facts["peak_bytes"] = peak_bytes()
        (own / f"step{place}.part").write_bytes(pickle.dumps(state))
        (own / f"step{place}.part").replace(own / f"step{place}")
        (own / f"step{place}.json").write_text(json.dumps(facts))
        say(step=place)
    link.stop_link()


def own_weights(own: Path, plan: dict[str, Any]) -> dict[str, np.ndarray]:
    """The server's own copy where weights are public, else arrays of their shapes: it has shares only."""
    if plan["weights"] == "public":
        return layout(load_file(own / "weights.safetensors"))
    return layout({name: np.zeros(shape, np.float32) for name, shape in plan["shapes"].items()})


def sent(log: Path) -> tuple[int, ...]:
    """Bytes sent, bytes received and messages sent in the step that ended, as SPU counts them."""
    found = LINK.findall(log.read_text())
    return tuple(int(count) for count in found[-1])


def open_shares(folder: Path, plan: dict[str, Any]) -> None:
    """Write what each step left, (2, steps, h, w, c): latents and the prediction of the clean ones."""
    io, steps = spu.Io(plan["parties"], runtime_config(plan)), []
    for place in range(len(plan["steps"])):
        shares = [pickle.loads((folder / str(rank) / f"step{place}").read_bytes()) for rank in range(plan["parties"])]
        steps.append([io.reconstruct([one[name] for one in shares])[0] for name in STATE])
    np.save(folder / "answer.npy", np.stack(steps, axis=1))


def peak_bytes() -> int:
    """Of this program alone: `getrusage` would count the launcher that it was forked from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def leave_with_the_launcher() -> None:
    """End when the launcher is gone, however it went: its end of our standard input closes."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    what, place, *rest = sys.argv[1:]
    plan = json.loads((Path(place) / "plan.json").read_text())
    if what == "run":
        run(Path(place), plan, int(rest[0]))
    else:
        {"share": share, "open": open_shares}[what](Path(place), plan)
