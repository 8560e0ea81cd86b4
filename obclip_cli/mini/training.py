"""The training loop that all models of the embedded pair share: resumable, with EMA and a loss curve."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
import torch.distributed as dist
from diffusers.training_utils import EMAModel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from obclip_cli.report.figures import panels, save_figure

Losses = dict[str, torch.Tensor]
DECAY_SHARE = 0.2
# Losses are fetched from a GPU this often: fetching waits for it.
FETCH_EVERY = 20
# A run that is given minutes measures its speed over these steps, after as many to get warm.
TRIAL_STEPS = 100


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to train. A resumed run keeps its course.

    Attributes:
        minutes: where set, as many steps as fit into them at the speed of the first ones, instead of `steps`.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int = 200
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    seed: int = 0
    minutes: float | None = None

    @property
    def share(self) -> int:
        """Examples a step of this process: the batch is split where several train together."""
        return self.batch_size // processes()[1]


@contextmanager
def autocast(device: torch.device) -> Iterator[None]:
    """bf16 autocast where the hardware multiplies bf16 itself; plain fp32 elsewhere.

    Without AMX or AVX512-BF16 a CPU emulates bf16, which we measured to be 12 times slower than fp32. Where it has
    them, its fused attention goes backward eight times slower in bf16 than in fp32; attention is then put together
    from bf16 products.
    """
    if device.type == "cuda":
        with torch.autocast("cuda", torch.bfloat16):
            yield
    elif torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            yield
    else:
        yield


def keep_norms_in_fp32(model: nn.Module) -> None:
    """Let every GroupNorm of the model compute in fp32 under autocast, as it does on CUDA by itself.

    In bf16 it is five times slower on a CPU. The hooks stay; a model that is loaded from disk has none.
    """
    for norm in model.modules():
        if isinstance(norm, nn.GroupNorm):
            norm.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))


def compute_device() -> torch.device:
    """The GPU where there is one; the same code and the same random numbers run on the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processes() -> tuple[int, int]:
    """(rank, number) of processes that train together.

    Two processes of one thread each use two cores better than one process of two threads.
    """
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def start_of(folder: Path) -> Path:
    """Where a stage that trains in `folder` looks for weights to begin with."""
    return folder / "start"


def sample_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one training step: a resumed run draws the same as an unbroken one."""
    rank, number = processes()
    return torch.Generator().manual_seed(seed * 1_000_003 + step * number + rank)


def choose(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """`count` of the row numbers in `rows`, drawn with replacement."""
    return rows[torch.randint(len(rows), (count,), generator=generator)]


class Training:
    """One model's training run in one folder: `checkpoint.pt`, `progress.json`, `loss.csv`, `loss.png`.

    Args:
        model: what is trained; several modules go in one nn.ModuleDict.
        loss: (step's generator) -> named losses; their sum is minimised.
    """

    def __init__(self, name: str, model: nn.Module, recipe: Recipe, folder: Path, loss: Callable[..., Losses]) -> None:
        self.name, self.recipe, self.folder, self.loss = name, recipe, folder, loss
        self.model = model.to(compute_device())
        keep_norms_in_fp32(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=recipe.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.ema = EMAModel(
            self.parameters, decay=recipe.ema_decay, use_ema_warmup=True, inv_gamma=1.0, power=0.75, foreach=True
        )
        self.step, self.seconds, self._warm_since = 0, 0.0, 0.0
        self.history: list[dict[str, float]] = []
        self._unfetched: list[dict[str, torch.Tensor]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location=compute_device())
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]

    def save(self) -> None:
        """Write the checkpoint atomically, then the loss curve; the first process does it for all."""
        self._fetch_losses()
        if processes()[0] > 0:
            return
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)
        progress = {"steps": self.step, "images": self.step * self.recipe.batch_size, "minutes": self.seconds / 60}
        (self.folder / "progress.json").write_text(json.dumps(progress))
        losses = pd.DataFrame(self.history)
        losses.to_csv(self.folder / "loss.csv", index=False)
        plot_losses(losses, self.folder / "loss.png", self.name)

    def learning_rate(self) -> float:
        """Linear warm-up, constant, then linear to zero over the last fifth.

        Constant in between, so that a recipe may be made longer while it runs.
        """
        recipe = self.recipe
        warm = (self.step + 1) / recipe.warmup
        left = (recipe.steps - self.step) / (DECAY_SHARE * recipe.steps)
        return recipe.learning_rate * min(1.0, warm, left)

    def run(self, save_every: float = 120.0) -> bool:
        """Train to the end of the recipe; SIGTERM and Ctrl-C save first. True: finished.

        Args:
            save_every: seconds between checkpoints.
        """
        stop: list[int] = []
        handlers = {s: signal.signal(s, lambda number, _: stop.append(number)) for s in (signal.SIGTERM, signal.SIGINT)}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        last_save = started = time.monotonic()
        self.model.train()
        try:
            with Progress(*columns, disable=processes()[0] > 0) as progress:
                task = progress.add_task(self.name, total=self.recipe.steps, completed=self.step)
                while self.step < self.recipe.steps and not self._anyone(stop):
                    self._one_step()
                    if self.recipe.minutes:
                        self._fit_into_minutes(self.recipe.minutes, started)
                    if self.step % FETCH_EVERY == 0:
                        self._fetch_losses()
                        said = f"{self.name} loss {self.history[-1]['loss']:.4f}"
                        progress.update(task, completed=self.step, total=self.recipe.steps, description=said)
                    if time.monotonic() - last_save > save_every:
                        self.save()
                        last_save = time.monotonic()
        finally:
            self.save()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.step >= self.recipe.steps

    @staticmethod
    def _anyone(stop: list[int]) -> bool:
        """Whether any process was told to stop, so that all stop after the same step."""
        if processes()[1] == 1:
            return bool(stop)
        flag = torch.tensor(float(bool(stop)))
        dist.all_reduce(flag)
        return bool(flag)

    def _average_gradients(self) -> None:
        number = processes()[1]
        if number == 1:
            return
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        together = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(together)
        together /= number
        for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def _one_step(self) -> None:
        started = time.monotonic()
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.loss(sample_generator(self.recipe.seed, self.step))
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        self._average_gradients()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.step(self.parameters)
        self._unfetched.append({"loss": total.detach(), **{k: v.detach() for k, v in losses.items()}})
        self.step += 1
        self.seconds += time.monotonic() - started

    def _fit_into_minutes(self, minutes: float, started: float) -> None:
        """Set the number of steps by the speed of the second `TRIAL_STEPS` steps."""
        if self.step == TRIAL_STEPS:
            self._fetch_losses()
            self._warm_since = time.monotonic()
        elif self.step == 2 * TRIAL_STEPS:
            self._fetch_losses()
            a_step = (time.monotonic() - self._warm_since) / TRIAL_STEPS
            left = 60 * minutes - (time.monotonic() - started)
            self.recipe = replace(self.recipe, steps=self.step + max(1, int(left / a_step)), minutes=None)

    def _fetch_losses(self) -> None:
        first = self.step - len(self._unfetched) + 1
        for number, losses in enumerate(self._unfetched, first):
            self.history.append({"step": number, **{name: loss.item() for name, loss in losses.items()}})
        self._unfetched.clear()

    def use_average(self) -> None:
        """Put the averaged weights into the model, for saving and sampling."""
        self.ema.copy_to(self.parameters)
        self.model.eval()


def plot_losses(losses: pd.DataFrame, picture: Path, title: str) -> None:
    """Draw every column of losses, one row a step, smoothed over 1 % of the steps."""
    smooth = losses.set_index("step").rolling(max(1, len(losses) // 100), min_periods=1).mean()
    figure, ((axis,),) = panels(1, 1, (6, 3.5))
    for name, line in smooth.items():
        axis.plot(line, label=name)
    axis.set(yscale="log", title=title, xlabel="step")
    axis.legend()
    save_figure(figure, picture)
