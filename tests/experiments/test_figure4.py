"""Figure 4: one model whose words change on the way, and what is concluded from it."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.figure4 import attribute_columns, claims, run
from obclip_cli.compose import compose_config
from obclip_cli.config import taxonomy_path
from obclip_cli.data import load_dataset
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import State, Stretch, initial_noise, trajectory
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.generate import Batch, load_pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, NOT_TESTABLE
from tests.experiments.conftest import Reproduced


def test_shares_run_from_another_candidate_to_the_prompt_alone(reproduced: Reproduced) -> None:
    table = reproduced.table("figure4")
    assert list(table["steps_on_prompt"]) == [0, 2, 5, 7, 10, 11, 12] and list(table["share"])[-1] == 1
    assert table["ssim"].iloc[-1] == 1 > table["ssim"].iloc[0] and table["attributes_lost"].iloc[-1] == 0
    assert table["tmac"].nunique() == 1
    (claim,) = reproduced.claims("figure4")
    assert claim.ours and claim.verdict.why


def test_words_change_inside_one_run_of_one_model(tiny_pair: list[str]) -> None:
    """Against one solver that is never stopped, whose text embeddings are exchanged between two steps."""
    overrides = ["experiment=figure4", "hybrid.steps=5", "hybrid.switch_point=1", "dataset.limit=3"]
    (block,) = blocks_of(compose_config([*overrides, *tiny_pair]))
    config, methods = block.config, block.methods
    pair, taxonomy = load_pair(config), load_taxonomy(taxonomy_path(config.pair.taxonomy))
    assert pair.cloud is pair.device
    hidden = hide_all(load_dataset(config.dataset).samples(0), config.privacy, taxonomy)
    samples, others = hidden.samples, [found.prompts[0] for found in hidden.sets]
    assert all(sample.prompt != other for sample, other in zip(samples, others, strict=True))
    made = {
        n: latents for names, latents in Batch(pair, samples, hidden.sets, lambda _: None).run(methods) for n in names
    }

    scale = config.pair.guidance_scale
    noise = torch.cat([initial_noise(pair.cloud, latent_shape(pair.cloud), sample.seed) for sample in samples])
    for method in methods[:-1]:
        words = encode_prompts(pair.cloud, others, scale)
        own = encode_prompts(pair.cloud, [sample.prompt for sample in samples], scale)
        path = trajectory(pair.cloud, State(noise), words, Stretch(5, 0, 5, scale))
        for done, state in enumerate(path, start=1):
            reached = state.latents
            if done == method.switch_point:
                with torch.inference_mode():
                    words.prompt_embeds.copy_(own.prompt_embeds)  # seen by the next step of the same loop
        torch.testing.assert_close(made[method.name], reached, rtol=0, atol=0)


def _results(right: dict[str, list[int]]) -> pd.DataFrame:
    rows = [
        {"method": name, "seed": seed, "gender": 1.0, "tone": float(hit), "role_top3": 0.0, "age": float("nan")}
        for name, hits in right.items()
        for seed, hit in enumerate(hits)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("at_80", "word", "from_on"),
    [(4, HOLDS, "100%"), (20, DOES_NOT_HOLD, "80%"), (18, NOT_DECIDED, "100%")],
)
def test_the_claim_is_computed(at_80: int, word: str, from_on: str, tmp_path: Path) -> None:
    """Of 20 images, none is right with the other candidate, all with p*, and so many at 80 %."""
    hits = {"a": [0] * 20, "b": [1] * at_80 + [0] * (20 - at_80), "c": [1] * 20}
    attributes = attribute_columns(compose_config(), _results(hits), list(hits))
    assert list(attributes["attributes"]) == [0, at_80 / 20, 1]
    assert attributes["attributes_lost"].iloc[1] == pytest.approx(at_80 / 20 - 1)
    table = attributes.assign(share=[0.0, 0.8, 1.0]).drop(columns="method")
    table.to_csv(tmp_path / "figure4.csv", index=False)
    (claim,) = claims(compose_config(["experiment=figure4"]), tmp_path)
    assert claim.verdict.word == word and f"from {from_on} on" in claim.ours


def test_an_image_is_right_where_every_attribute_is() -> None:
    results = _results({"a": [1, 0], "b": [1, 1]})
    results.loc[0, "gender"] = 0.0
    assert attribute_columns(compose_config(), results, ["a", "b"])["attributes"].iloc[0] == 0


@pytest.mark.parametrize("pair", ["sd14-bksdm-small", "sdxl-koala", "lcmsdxl-koala"])
def test_without_weights_costs_are_there_and_nothing_is_claimed(pair: str, tmp_path: Path) -> None:
    config = compose_config([f"pair={pair}", "experiment=figure4"])
    text = run(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "figure4.csv")
    assert "Nothing was scored" in text and "koala-700m" not in text  # the small model is not needed
    assert table["tmac"].nunique() == 1 and "fid" not in table
    assert {claim.verdict.word for claim in claims(config, tmp_path)} == {NOT_TESTABLE}
