"""Denoise under secure computation between processes, and beside it ObCLIP for the same image: bytes, CPU, error."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from obclip_cli import runs
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, taxonomy_path
from obclip_cli.device.client import Client
from obclip_cli.diffusion.denoise import State, Stretch, decode, denoise_by_step
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.diffusion.schedule import split
from obclip_cli.errors import UserError
from obclip_cli.prompts.decoys import block_lambda
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.protocol import CloudResponse
from obclip_cli.resources import cache_folder
from obclip_cli.secure.launch import free_ports, run_parties
from obclip_cli.secure.plan import Variant, plan_of, secrets_of, unet_file

HERE = Path(__file__).parent
REPEATS = 5  # of ObCLIP's cloud part
KEY = bytes(32)  # which block is sent changes no cost
Advance = Callable[[int], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came out of a measurement.

    Attributes:
        rows: one a step and party.
        latents, clean: after each step, (steps, c, h, w); `clean` is the solver's prediction of the clean latents.
    """

    rows: list[Row]
    latents: torch.Tensor
    clean: torch.Tensor


@dataclass(frozen=True)
class Setting:
    """The image that is made, and where."""

    config: Config
    prompt: str
    cloud: DiffusionPipeline
    device: DiffusionPipeline

    @staticmethod
    def of(config: Config, prompt: str) -> "Setting":
        """Load both models, in float32 on the CPU, as the parties compute."""
        models = (
            load_pipeline(model, dtype="float32", device="cpu") for model in (config.pair.cloud, config.pair.device)
        )
        return Setting(config, prompt, *models)

    @property
    def stretch(self) -> Stretch:
        """The cloud's k steps."""
        return split(self.config.pair, self.config.hybrid).cloud

    def client(self, lambda_: float | None) -> Client:
        """A device that hides the prompt with this λ, or, with None, sends it in the clear."""
        strategy = "none" if lambda_ is None else "bucket" if lambda_ else "all"
        privacy = replace(self.config.privacy, strategy=strategy, lambda_=lambda_ or 0.0)
        taxonomy = load_taxonomy(taxonomy_path(self.config.pair.taxonomy))
        return Client(self.device, taxonomy, split(self.config.pair, self.config.hybrid), privacy, KEY)

    def values(self) -> dict[str, str]:
        """What the prompt says of its attributes."""
        hidden = self.client(0.0).prepare(self.prompt, self.config.seed).candidates
        return {attribute: value for (_, attribute), value in hidden.slots.items()}

    def plain(self) -> list[State]:
        """The states after each of the k steps without any protection."""
        seeds = [self.config.seed]
        return list(denoise_by_step(self.cloud, [self.prompt], self.stretch, seeds=seeds))

    def finished(self, latents: torch.Tensor) -> torch.Tensor:
        """The image that the device makes of the latents after k steps, (1, 3, H, W) in [0, 1]."""
        client = self.client(None)
        query = client.prepare(self.prompt, self.config.seed)
        return client.image(client.finish(query, State(latents)))

    def pictures(self, clean: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """What each step foretells, and the finished image: uint8 (k + 1, 3, H, W)."""
        made = torch.cat([decode(self.device, clean), self.finished(latents[-1:])])
        return (made * 255).round().to(torch.uint8)


def measure(setting: Setting, variant: Variant, python: Path, port: int | None, advance: Advance) -> Answer:
    """Run the parties of a variant; what an earlier call finished is read.

    Args:
        python: of the environment with SPU.
        port: the first of the parties' ports; any free ones without it.
        advance: is called with each finished step.

    Raises:
        UserError: a port is in use, a party died, or the parties hold different weights.
    """
    stretch = replace(setting.stretch, stop=variant.steps)
    unet = unet_file(setting.config)
    plan = plan_of(setting.cloud, unet, variant, stretch)
    secret = secrets_of(setting.cloud, setting.prompt, stretch, setting.config.seed)
    # The prompt does not show in the name, but other prompts lie elsewhere.
    digest = runs.run_digest(setting.config, setting.prompt, plan)
    folder = cache_folder("mpc-runs") / f"{variant.name}-{digest}"
    script = [str(python), str(HERE / "party.py")]
    _prepare(folder, plan, secret, unet, script, setting.config)
    begin = _finished_steps(folder, variant)
    advance(begin)
    if begin < variant.steps:
        ports = free_ports(variant.parties, port)
        runs.write_text(folder / "plan.json", json.dumps(plan | {"ports": ports, "begin": begin}))
        commands = [[*script, "run", str(folder), str(rank)] for rank in range(variant.parties)]
        run_parties(commands, lambda rank, line: advance(1) if rank == 0 and "step" in line else None)
    _script([*script, "open", str(folder)])
    latents, clean = torch.from_numpy(np.load(folder / "answer.npy")).permute(0, 1, 4, 2, 3)
    return Answer(list(_rows(folder, variant, _errors(setting, latents, clean))), latents, clean)


def once(run: str, name: str, work: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a measurement; kept until `forget`, so that a run that was stopped goes on."""
    path = cache_folder("mpc-runs") / f"{run}-{name}.json"
    if not path.exists():
        runs.write_text(path, json.dumps(work()))
    rows: list[Row] = runs.read_json(path)
    return rows


def forget() -> None:
    """Delete the shares of measurements that are written down elsewhere."""
    shutil.rmtree(cache_folder("mpc-runs"), ignore_errors=True)


def _prepare(folder: Path, plan: Row, secret: Any, unet: Path, script: list[str], config: Config) -> None:
    """Share weights and secrets among the parties' folders, once."""
    if (folder / "shared").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for rank in range(plan["parties"]):
        (folder / str(rank)).mkdir(parents=True)
        if plan["weights"] == "public":
            (folder / str(rank) / "weights.safetensors").symlink_to(unet.resolve())
    runs.write_text(folder / "plan.json", json.dumps(plan | {"unet": str(unet.resolve())}))
    np.savez(folder / "secret.npz", **secret)
    _script([*script, "share", str(folder)])
    (folder / "secret.npz").unlink()
    runs.write_text(folder / "shared", "")


def _script(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"{Path(command[1]).name} {command[2]} failed ({last[:200]}); is the environment SPU's?")


def _finished_steps(folder: Path, variant: Variant) -> int:
    """Steps that every party has finished."""
    done = 0
    while all((folder / str(rank) / f"step{done}.json").exists() for rank in range(variant.parties)):
        done += 1
    return done


def distance(ours: torch.Tensor, there: torch.Tensor) -> float:
    """Relative L2 distance."""
    return float((ours - there).norm() / there.norm())


def _errors(setting: Setting, latents: torch.Tensor, clean: torch.Tensor) -> Iterator[Row]:
    """Of each step against the same without protection: of the latents, and of the predicted clean ones."""
    for state, ours, foretold in zip(setting.plain()[: len(latents)], latents, clean, strict=True):
        assert state.history is not None
        yield {
            "error_of_latents": distance(ours, state.latents[0]),
            "error_of_prediction": distance(foretold, state.history[0]),
        }


def _rows(folder: Path, variant: Variant, errors: Iterable[Row]) -> Iterator[Row]:
    for step, error in enumerate(errors):
        for rank in range(variant.parties):
            own = folder / str(rank)
            facts = runs.read_json(own / f"step{step}.json")
            which = {"protocol": variant.protocol, "weights": variant.weights, "steps": variant.steps, "party": rank}
            yield which | facts | {"shares_bytes": (own / "input").stat().st_size} | error


def obclip_rows(setting: Setting, sent: list[int], advance: Advance) -> list[Row]:
    """ObCLIP's cloud part for the same image, with so many of its candidates sent; 1 is the prompt in the clear.

    One row a repeat.

    Raises:
        UserError: the prompt has fewer candidates.
    """
    server, plain, rows = CloudServer.of(setting.config, setting.cloud), setting.plain()[-1].latents, []
    n = len(setting.client(0.0).prepare(setting.prompt, setting.config.seed).candidates.prompts)
    for m in sent:
        # A hair more, as 1/M - 1/N is no binary number.
        lambda_ = None if m == 1 else round(block_lambda(m, n) + 5e-10, 9) * (m < n)
        client = setting.client(lambda_)
        query = client.prepare(setting.prompt, setting.config.seed)
        message = client.request(query).to_bytes()
        for repeat in range(REPEATS):
            started, cpu = time.perf_counter(), time.process_time()
            answer = server.answer(message)
            taken = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
            which = {"sent": len(query.candidates.prompts), "n": n, "lambda": query.lambda_, "repeat": repeat}
            kept = client.select(query, CloudResponse.from_bytes(answer)).latents
            sizes = {"bytes_up": len(message), "bytes_down": len(answer)}
            rows.append(which | taken | sizes | {"error_of_latents": distance(kept, plain)})
        advance(1)
    return rows
