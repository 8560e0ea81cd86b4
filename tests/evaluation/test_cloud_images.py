"""The cloud's own distribution: other noise than any method's, and the same again after a stop."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from obclip_cli.compose import compose_config
from obclip_cli.config import Config
from obclip_cli.data import Sample
from obclip_cli.evaluation.cloud_images import OTHER_NOISE, with_other_noise
from obclip_cli.evaluation.images import slug
from obclip_cli.evaluation.methods import both_ends
from obclip_cli.evaluation.score import run_benchmark

PROMPTS, DRAWS, ENDS = 3, 2, ("cloud-only", "device-only")


def scored(folder: Path, config: Config) -> pd.DataFrame:
    return run_benchmark(config, both_ends(config), folder, lambda *_: lambda _: None)[0].set_index("method")


def test_no_prompt_has_the_noise_of_another_or_of_a_method() -> None:
    """A CPU's generator looks at 32 bits of a seed."""
    samples = [Sample("a woman", seed) for seed in range(1000)]
    seeds = [sample.seed for sample in (*samples, *with_other_noise(samples, DRAWS))]
    assert len({seed % 2**32 for seed in seeds}) == 1000 * (1 + DRAWS)
    first = torch.randn(4, generator=torch.Generator().manual_seed(seeds[0]))
    assert not torch.equal(first, torch.randn(4, generator=torch.Generator().manual_seed(seeds[1000])))


def test_methods_are_held_against_images_that_are_made_once(tiny_pair: list[str], tmp_path: Path) -> None:
    sizes = ["hybrid.steps=4", "hybrid.switch_point=2", f"dataset.limit={PROMPTS}"]
    config = compose_config([*tiny_pair, *sizes, f"scores.cloud_draws={DRAWS}"])
    table = scored(tmp_path / "run", config)
    folder = tmp_path / "run" / "images"
    files = sorted((folder / slug(OTHER_NOISE)).glob("*.png"))
    assert len(files) == DRAWS * PROMPTS and table.loc[list(ENDS), "fid_cloud"].notna().all()
    own = {path.read_bytes() for path in (folder / "cloud-only").glob("*.png")}
    assert not own & {path.read_bytes() for path in files}
    assert table.loc["cloud-only", "distance"] == 0 < table.loc["device-only", "distance"]

    before = files[1].read_bytes()
    for path in (files[1], folder / ".finished", tmp_path / "run" / "scores.csv"):  # as if it had been stopped
        path.unlink()
    pd.testing.assert_frame_equal(scored(tmp_path / "run", config), table)
    assert files[1].read_bytes() == before

    none = scored(tmp_path / "none", replace(config, scores=replace(config.scores, cloud_draws=0)))
    assert none["fid_cloud"].isna().all() and not (tmp_path / "none" / "images" / slug(OTHER_NOISE)).exists()
