"""The attack on noised pictures, on the real pair and art: it reads them, with candidates in the prompt or without."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from obclip_cli.attacks.knowledge import Knowledge
from obclip_cli.attacks.noised_latent import NoisedLatent
from obclip_cli.attacks.transcript import Exchange, Transcript
from obclip_cli.compose import compose_config
from obclip_cli.data import load_dataset
from obclip_cli.diffusion.denoise import initial_noise
from obclip_cli.diffusion.image_to_image import encode, noised
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.game.scoring import success
from obclip_cli.prompts.taxonomy import Taxonomy
from obclip_cli.protocol import CloudRequest

LEARNT, TRIED, START, STEPS = 30, 12, 20, 25


@pytest.fixture(scope="module")
def attack(taxonomy: Taxonomy) -> NoisedLatent:
    return NoisedLatent(Knowledge(taxonomy, compose_config([]).pair))


@pytest.mark.slow
def test_who_is_in_a_noised_picture_is_read_whatever_the_prompts_say(attack: NoisedLatent) -> None:
    dataset, pipeline = load_dataset(compose_config([]).dataset), attack.pipeline
    art = next(iter(dataset.references(0)))[: LEARNT + TRIED]
    said = [attack.knowledge.read(sample.prompt) for sample in dataset.reference_samples()]  # type: ignore[attr-defined]
    clean = encode(pipeline, art.float() / 255)  # type: ignore[arg-type]
    taught = [place for place in range(LEARNT) if said[place].attributes == ("gender", "tone")]
    values = [said[place].values for place in taught]
    attack.lessons["gender", "tone"] = clean[taught], values
    for alone in (True, False):
        right, chance = [], []
        for place in range(LEARNT, LEARNT + TRIED):
            own = said[place]
            if own.attributes != ("gender", "tone"):
                continue
            noise = initial_noise(pipeline, latent_shape(pipeline), place)  # type: ignore[arg-type]
            sent = noised(pipeline, clean[[place]], noise, START, STEPS)  # type: ignore[arg-type]
            prompts = ("",) if alone else own.candidates
            request = CloudRequest(prompts, STEPS, START, START, 1.0, 0, latents=sent)
            every = tuple(attack.knowledge.read(prompt).values for prompt in own.candidates)  # type: ignore[union-attr]
            seen = Transcript(own.candidates, own.attributes, every, Exchange(request.to_bytes()))
            guess = attack.guess(seen)
            assert guess is not None and guess.sum() == pytest.approx(1)
            right.append(success(guess, own.candidates.index(own.canonical)))
            chance.append(1 / len(every))
        assert len(right) > 5 and np.mean(right) > 3 * np.mean(chance)


def test_it_needs_a_latent_in_the_request(attack: NoisedLatent) -> None:
    request = CloudRequest(("a man",), STEPS, 0, 1, 1.0, 0)
    seen = Transcript(("a man", "a woman"), ("gender",), (("male",), ("female",)), Exchange(request.to_bytes()))
    assert attack.guess(seen) is None
    sent = replace(request, latents=torch.zeros(1, 8, 16, 16))
    other = replace(seen, attributes=("hat",), seen=Exchange(sent.to_bytes()))
    assert attack.guess(other) is None  # the judge does not know hats
