"""Which side runs which steps, on which schedule (arXiv 2510.04153, Sections 4.1 and 5.3)."""

import copy
from dataclasses import dataclass

from diffusers import SchedulerMixin

from obclip_cli.config import HybridConfig, ModelConfig, PairConfig
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.errors import UserError


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
        """Steps that the cloud runs, k."""
        return self.cloud.stop - self.cloud.start

    @property
    def device_steps(self) -> int:
        """Steps that the device runs."""
        return self.device.stop - self.device.start


def split(pair: PairConfig, hybrid: HybridConfig) -> Split:
    """Divide the steps between the sides.

    With one schedule the device goes on where the cloud stopped. A cloud with `steps` of its own (LCM) hands over
    after k of them, and the device begins at step k + timestep_shift of its schedule, t_device = t_cloud + dt.
    """
    k, steps = hybrid.switch_point, hybrid.steps
    on_cloud, on_device = guidance_of(pair, pair.cloud), guidance_of(pair, pair.device)
    if hybrid.order == "client_first":
        cloud = Stretch(steps, steps - k, steps, on_cloud)
        return Split(cloud, Stretch(steps, 0, steps - k, on_device), hybrid.order, hybrid.handover)
    cloud = Stretch(pair.cloud.steps or steps, 0, k, on_cloud)
    begin = 0 if k == 0 else k + hybrid.timestep_shift
    begin = steps if k == cloud.steps else begin
    return Split(cloud, Stretch(steps, begin, steps, on_device), hybrid.order, hybrid.handover)


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


def guidance_of(pair: PairConfig, model: ModelConfig) -> float:
    """The guidance scale of one of a pair's models: its own, else the pair's."""
    return pair.guidance_scale if model.guidance_scale is None else model.guidance_scale
