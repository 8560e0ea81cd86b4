"""Guess the candidate whose text embedding is nearest to what was sent.

With a finite set of candidates, nearest candidate is the right way to invert an embedding.
"""

import numpy as np
import torch

from obclip_cli.attacks.knowledge import Knowledge, best
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.diffusion.conditioning import encode_prompts

# Differences below this are rounding: prompts are embedded in batches of different sizes.
ROUNDING = 1e-3


class Inversion:
    """Breaks schemes that send the prompt itself or a perturbed one."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.pipeline = knowledge.pipeline
        self.embedded: dict[str, torch.Tensor] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The candidates at the smallest distance from any prompt of the request; needs a text encoder."""
        if self.pipeline is None:
            return None
        sent, candidates = self._embed(transcript.seen.prompts), self._embed(transcript.candidates)
        nearest = torch.cdist(candidates, sent).amin(dim=1)
        return best(-np.floor(nearest.numpy() / ROUNDING))

    def _embed(self, prompts: tuple[str, ...]) -> torch.Tensor:
        """What the UNet would be told, (n, tokens x width)."""
        assert self.pipeline is not None
        if new := [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.embedded]:
            embeds = encode_prompts(self.pipeline, new, guidance_scale=1.0).prompt_embeds
            self.embedded |= dict(zip(new, embeds.flatten(1).float().cpu(), strict=True))
        return torch.stack([self.embedded[prompt] for prompt in prompts])
