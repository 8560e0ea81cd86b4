"""The noise that an LCM adds between its steps: drawn before the first of them, and moved to the device once.

`LCMScheduler.step` draws it from the samples' generators, which are on the CPU, in every step, and so makes an
accelerator wait for the CPU. The numbers here are the same.
"""

from collections.abc import Sequence

import torch
from diffusers import SchedulerMixin


class AddedNoise:
    """Each sample's noise of a stretch of steps.

    Args:
        scheduler: an LCMScheduler that is set to begin at the first step, with its timesteps on the CPU.
        latents: (n, c, h, w), for shape, dtype and device.
        seeds: of the n samples' z_T; their generators go on from there.
        steps: how many steps there are; the last one of the schedule adds none.
    """

    def __init__(self, scheduler: SchedulerMixin, latents: torch.Tensor, seeds: Sequence[int], steps: int) -> None:
        self.scheduler, self.first = scheduler, scheduler.begin_index
        shape = (1, *latents.shape[1:])
        rows = []
        noisy = min(steps, scheduler.num_inference_steps - 1 - self.first)
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            drawn = [torch.randn(shape, generator=generator, dtype=latents.dtype) for _ in range(1 + noisy)]
            rows.append(torch.stack(drawn[1:]) if noisy else latents.new_empty(0, *shape, device="cpu"))  # [0] is z_T
        self.noise = torch.cat(rows, dim=1).to(latents.device)
        # The scheduler draws too, and what it draws is not used: on the device, from nobody's generator.
        self.unused = torch.Generator(latents.device)

    def step(
        self, prediction: torch.Tensor, timestep: torch.Tensor, latents: torch.Tensor, number: int
    ) -> torch.Tensor:
        """The latents (n, c, h, w) after a step, as the scheduler's own `step` gives them; `number` counts from 0."""
        last, clean = self.scheduler.step(prediction, timestep, latents, generator=self.unused, return_dict=False)
        if number == len(self.noise):
            return last
        signal = self.scheduler.alphas_cumprod[self.scheduler.timesteps[self.first + number + 1]]
        return signal.sqrt() * clean + (1 - signal).sqrt() * self.noise[number]
