"""Guess from an image that the user published: the server finishes its own N latents, and takes the nearest."""

import io

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as vision

from obclip_cli.attacks.knowledge import Guesser, Knowledge, best
from obclip_cli.attacks.transcript import Transcript
from obclip_cli.diffusion.denoise import Stretch, decode, denoise
from obclip_cli.diffusion.schedule import guidance_of


class PublishedImage(Guesser):
    """Breaks every scheme whose image is published: it begins at a latent that the server knows."""

    def __init__(self, knowledge: Knowledge) -> None:
        super().__init__(knowledge)
        self.pair, self.pipeline = knowledge.pair, knowledge.pipeline
        self.finished: dict[tuple[str, int], torch.Tensor] = {}

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """The sent candidates whose image is the nearest to the published one; needs one, and a model."""
        if self.pipeline is None or transcript.published is None:
            return None
        own = self._finish(transcript.seen.prompts, transcript.seen.request.noise_seed, transcript.seen.request.steps)
        near = nearest(read_image(transcript.published), own)
        scores = np.full(transcript.n, -1.0)
        for place, closeness in zip(self.sent(transcript), near, strict=True):
            if place is not None:
                scores[place] = closeness
        return best(scores)

    def _finish(self, prompts: tuple[str, ...], seed: int, steps: int) -> torch.Tensor:
        """The images (N, 3, H, W) that the cloud makes of all candidates: its latents, and all steps after them."""
        assert self.pair is not None and self.pipeline is not None
        if new := [prompt for prompt in dict.fromkeys(prompts) if (prompt, seed) not in self.finished]:
            stretch = Stretch(steps, 0, steps, guidance_of(self.pair, self.pair.cloud))
            images = decode(self.pipeline, denoise(self.pipeline, new, stretch, seeds=[seed] * len(new)).latents)
            self.finished |= {(prompt, seed): image for prompt, image in zip(new, images, strict=True)}
        return torch.stack([self.finished[prompt, seed] for prompt in prompts])


def nearest(image: torch.Tensor, own: torch.Tensor) -> np.ndarray:
    """Minus the root mean square distance of an image (3, H, W) to each of the server's (N, 3, H, W)."""
    return -((own - image) ** 2).mean(dim=(1, 2, 3)).sqrt().numpy()


def write_image(image: torch.Tensor) -> bytes:
    """An image (3, H, W) in [0, 1] as people publish it: JPEG."""
    content = io.BytesIO()
    vision.to_pil_image(image).save(content, "JPEG", quality=90)
    return content.getvalue()


def read_image(content: bytes) -> torch.Tensor:
    """The image (3, H, W) in [0, 1]."""
    return vision.to_dtype(vision.to_image(Image.open(io.BytesIO(content))), torch.float32, scale=True)
