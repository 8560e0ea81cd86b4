"""What an honest-but-curious server can guess, one class an attack.

An attack sees transcripts and public knowledge: the algorithm, the server's models, a corpus. It has no argument that
holds the truth, the client's secret or p*; guesses meet the truth in `scoring.py` only.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from obclip_cli.attacks.answer import Timing, Traffic
from obclip_cli.attacks.context import Context
from obclip_cli.attacks.image_inspection import ImageInspection
from obclip_cli.attacks.intersection import IntersectionDifferent, IntersectionRepeated
from obclip_cli.attacks.inversion import Inversion
from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.language_model import LanguageModel
from obclip_cli.attacks.latents import Latents
from obclip_cli.attacks.majority import Majority
from obclip_cli.attacks.many_prompts import ManyPrompts
from obclip_cli.attacks.names import Names
from obclip_cli.attacks.noised_latent import NoisedLatent
from obclip_cli.attacks.published_image import PublishedImage
from obclip_cli.attacks.request import Position, Prior, Surface
from obclip_cli.attacks.transcript import Transcript


class Attack(Protocol):
    """One way of guessing."""

    def guess(self, transcript: Transcript) -> np.ndarray | None:
        """Probabilities (N,) of the candidates of the observed request; None where the attack does not apply."""
        ...


ATTACKS: dict[str, Callable[[Knowledge], Attack]] = {
    "prior": Prior,
    "majority": Majority,
    "position": Position,
    "surface": Surface,
    "context": Context,
    "language-model": LanguageModel,
    "names": Names,
    "many-prompts": ManyPrompts,
    "intersection-repeated": IntersectionRepeated,
    "intersection-different": IntersectionDifferent,
    "traffic": Traffic,
    "timing": Timing,
    "inversion": Inversion,
    "image-inspection": ImageInspection,
    "latents": Latents,
    "published-image": PublishedImage,
    "noised-latent": NoisedLatent,
}
