"""`obclip reproduce figure4` on a tiny random pair, and what it concludes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

import experiments.figure4 as figure4
from obclip_cli.compose import compose_config
from obclip_cli.config import taxonomy_path
from obclip_cli.data import load_dataset
from obclip_cli.diffusion.conditioning import encode_prompts
from obclip_cli.diffusion.denoise import State, Stretch, initial_noise, trajectory
from obclip_cli.diffusion.models import latent_shape
from obclip_cli.evaluation.generate import Batch, load_pair
from obclip_cli.evaluation.hiding import hide_all
from obclip_cli.prompts.taxonomy import load_taxonomy
from tests.conftest import Run

Obclip = Callable[..., Run]
FAST = ["hybrid.steps=5", "hybrid.switch_point=1", "dataset.limit=3"]


def test_reproduce_writes_table_figure_and_the_run_behind_them(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "figure4", "-o", str(tmp_path), *tiny_pair, *FAST)
    assert run.code == 0, run.err
    assert {p.name for p in tmp_path.iterdir()} == {"figure4.csv", "figure4.md", "figure4.tex", "figure4.png", "runs"}
    (run_folder,) = (tmp_path / "runs").iterdir()
    assert run_folder.name in (tmp_path / "figure4.md").read_text()
    table = pd.read_csv(tmp_path / "figure4.csv")
    assert list(table["share"]) == [0, 0.2, 0.4, 0.6, 0.8, 1] and list(table["steps_replaced"]) == [5, 4, 3, 2, 1, 0]
    assert table["ssim"].iloc[-1] == 1 > table["ssim"].iloc[0] and table["attributes_lost"].iloc[-1] == 0
    assert table["tmac"].nunique() == 1

    stamp = (run_folder / "scores.csv").stat().st_mtime_ns
    assert obclip("reproduce", "figure4", "-o", str(tmp_path), *tiny_pair, *FAST).code == 0
    assert (run_folder / "scores.csv").stat().st_mtime_ns == stamp  # a finished run is not made again


def test_words_change_inside_one_run_of_one_model(tiny_pair: list[str]) -> None:
    """Against one solver that is never stopped, whose text embeddings are exchanged between two steps."""
    config = figure4.one_model(compose_config([*figure4.overrides("mini"), *tiny_pair, *FAST]))
    pair, taxonomy = load_pair(config), load_taxonomy(taxonomy_path(config.pair.taxonomy))
    assert pair.cloud is pair.device
    hidden = hide_all(load_dataset(config.dataset).samples(0), config.privacy, taxonomy)
    samples, others = hidden.samples, [found.prompts[0] for found in hidden.sets]
    assert all(sample.prompt != other for sample, other in zip(samples, others, strict=True))
    methods = figure4.methods(config)
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
    [(4, "holds", "100%"), (20, "does not hold", "80%"), (18, "not testable here", "100%")],
)
def test_claim_and_finding_are_computed(at_80: int, word: str, from_on: str, tmp_path: Path) -> None:
    """Of 20 images, none is right with the other candidate, all with p*, and so many at 80 %."""
    hits = {"a": [0] * 20, "b": [1] * at_80 + [0] * (20 - at_80), "c": [1] * 20}
    attributes = figure4.attribute_columns(compose_config(), _results(hits), list(hits))
    assert list(attributes["attributes"]) == [0, at_80 / 20, 1]
    assert attributes["attributes_lost"].iloc[1] == pytest.approx(at_80 / 20 - 1)
    table = attributes.assign(share=[0.0, 0.8, 1.0]).drop(columns="method")
    table.to_csv(tmp_path / "figure4.csv", index=False)
    (claim,) = figure4.claims(compose_config(), tmp_path)
    assert claim.verdict.word == word and f"from {from_on} on" in claim.ours
    assert f"from {from_on} of the steps on" in figure4.finding(table)


def test_an_image_is_right_where_every_attribute_is() -> None:
    results = _results({"a": [1, 0], "b": [1, 1]})
    results.loc[0, "gender"] = 0.0
    assert figure4.attribute_columns(compose_config(), results, ["a", "b"])["attributes"].iloc[0] == 0


@pytest.mark.parametrize("pair", ["sd14-bksdm-small", "sdxl-koala", "lcmsdxl-koala"])
def test_without_weights_costs_are_there_and_nothing_is_claimed(pair: str, tmp_path: Path) -> None:
    config = compose_config([f"pair={pair}", *figure4.overrides(pair)])
    text = figure4.run(config, tmp_path, lambda *_: lambda _: None)
    table = pd.read_csv(tmp_path / "figure4.csv")
    assert "Nothing was scored" in text and "koala-700m" not in text  # the small model is not needed
    assert table["tmac"].nunique() == 1 and "fid" not in table
    assert {claim.verdict.word for claim in figure4.claims(config, tmp_path)} == {"not testable here"}
