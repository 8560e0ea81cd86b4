"""Which side runs which steps, on which schedule (arXiv 2510.04153, Sections 4.1 and 5.3)."""

import copy
import logging
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch
from diffusers import DiffusionPipeline, SchedulerMixin

from obclip_cli.config import HybridConfig, ModelConfig, PairConfig, step_places
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.errors import UserError

LOG = logging.getLogger(__name__)
TRAINED = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "trained_betas", "rescale_betas_zero_snr")
KEPT = ("prediction_type", *TRAINED)  # belong to the weights, not to the schedule
NOISE_DIFFERS = 1e-4  # relative; one schedule of noise agrees to the last digits


@dataclass(frozen=True)
class Split:
    """The cloud's and the device's stretch of denoising.

    Attributes:
        order: server_first or client_first.
        handover: restart or history.
    """

    cloud: Stretch
    device: Stretch
    order: str = "server_first"
    handover: str = "restart"

    @property
    def cloud_steps(self) -> int:
        """Steps that the cloud runs: k, or fewer where it takes larger ones."""
        return self.cloud.count

    @property
    def device_steps(self) -> int:
        """Steps that the device runs."""
        return self.device.count


def split(pair: PairConfig, hybrid: HybridConfig) -> Split:
    """Divide the steps between the sides.

    With one schedule the device goes on where the cloud stopped. A cloud with `steps` of its own (LCM) hands over
    after k of them, and the device begins at step k + timestep_shift of its schedule, t_device = t_cloud + dt.
    Either may take fewer, larger steps over its part; where it ends stays the same.

    Raises:
        UserError: the device is to leave out steps that it does not have.
    """
    k, steps = hybrid.switch_point, hybrid.steps
    on_cloud, on_device = guidance_of(pair, pair.cloud), guidance_of(pair, pair.device)
    if hybrid.order == "client_first":
        cloud, device = Stretch(steps, steps - k, steps, on_cloud), Stretch(steps, 0, steps - k, on_device)
    else:
        cloud = Stretch(pair.cloud.steps or steps, 0, k, on_cloud)
        begin = 0 if k == 0 else k + hybrid.timestep_shift
        device = Stretch(steps, steps if k == cloud.steps else begin, steps, on_device)
    cloud = _thinned(cloud, "cloud_steps", hybrid.cloud_steps)
    device = _thinned(device, "device_steps", hybrid.device_steps)
    if hybrid.handover == "history" and cloud.positions:
        device = replace(device, before=cloud.positions[-1])
    return Split(cloud, device, hybrid.order, hybrid.handover)


def _thinned(stretch: Stretch, name: str, chosen: int | list[int] | None) -> Stretch:
    """The stretch with the steps that a setting of `hybrid` leaves of it."""
    if chosen is None or stretch.start == stretch.stop:
        return stretch
    places = step_places(f"hybrid.{name}", chosen, stretch.stop - stretch.start)
    return replace(stretch, positions=tuple(stretch.start + place for place in places))


def noise_levels(scheduler: SchedulerMixin, steps: int) -> tuple[float, ...]:
    """Sigma before each of `steps` steps and after the last: sqrt(1/alpha_bar - 1), whatever the solver.

    Raises:
        UserError: the solver has no such schedule.
    """
    scheduler = copy.deepcopy(scheduler)
    try:
        scheduler.set_timesteps(steps)
    except ValueError as error:
        raise UserError(f"the solver has no schedule of {steps} steps") from error
    if hasattr(scheduler, "sigmas"):
        return tuple(scheduler.sigmas.tolist())
    alphas = [*scheduler.alphas_cumprod[scheduler.timesteps.cpu()].tolist(), float(scheduler.final_alpha_cumprod)]
    return tuple((1 / alpha - 1) ** 0.5 for alpha in alphas)


def share_schedule(cloud: DiffusionPipeline, device: DiffusionPipeline) -> None:
    """Run the device on the cloud's schedule (spacing, sigmas, order), as Hybrid SD does.

    Otherwise the device takes a latent for less or more noisy than it is. What a model was trained on stays its own:
    what it predicts, and the noise of each timestep, in which both must agree. A cloud of another solver (LCM) keeps
    its schedule, and the device its own.

    Raises:
        UserError: the two were trained on different noise.
    """
    here, there = device.scheduler, cloud.scheduler
    own, theirs = _settings(here), _settings(there)
    alike = here.alphas_cumprod.shape == there.alphas_cumprod.shape
    if not alike or not torch.allclose(here.alphas_cumprod, there.alphas_cumprod, rtol=NOISE_DIFFERS):
        differ = (f"{k}: cloud {theirs.get(k)}, device {own.get(k)}" for k in TRAINED if theirs.get(k) != own.get(k))
        raise UserError(
            f"the pair's models were trained on different noise ({'; '.join(differ)}); choose two that share it"
        )
    if here is there or type(here) is not type(there):
        return
    replaced = {key: value for key, value in own.items() if key not in KEPT and theirs.get(key) != value}
    if replaced:
        device.scheduler = type(here).from_config(there.config, **{key: own[key] for key in KEPT if key in own})
        device.scheduler.register_to_config(replaced=replaced)
        LOG.warning("warning: %s", _in_words(device.scheduler))


def schedule_in_words(pair: PairConfig, device: SchedulerMixin) -> str:
    """Whose schedule each side runs on, after `share_schedule`."""
    if pair.cloud.steps is not None:
        return f"the cloud runs on its own schedule of {pair.cloud.steps} steps, the device on its own"
    return _in_words(device) if "replaced" in device.config else "both sides run on one schedule"


def _in_words(device: SchedulerMixin) -> str:
    replaced = device.config["replaced"].items()
    changes = ", ".join(f"{key} {device.config[key]}, its own is {own}" for key, own in replaced)
    return f"the device runs on the cloud's schedule ({changes})"


def _settings(scheduler: SchedulerMixin) -> dict[str, Any]:
    """What this solver reads of its configuration, which may hold settings of the one that it was made from."""
    return {key: scheduler.config[key] for key in signature(type(scheduler)).parameters if key in scheduler.config}


def guidance_of(pair: PairConfig, model: ModelConfig) -> float:
    """The guidance scale of one of a pair's models: its own, else the pair's."""
    return pair.guidance_scale if model.guidance_scale is None else model.guidance_scale
