"""Fidelity beside speed-ups: whose figures stand beside which row."""

from pathlib import Path

import pandas as pd

from obclip_cli.compose import compose_config
from obclip_cli.reproduction.beside_speed import METHODS, with_fidelity
from obclip_cli.reproduction.fidelity import UNCACHED

SPEEDS = pd.DataFrame({"k": [25, 10, 5, 5], "method": ["vanilla OG", "ObCLIP", "thin_k5", "thin_k5"]})


def test_rows_of_the_pair_have_the_fidelity_of_their_k_and_method(tmp_path: Path) -> None:
    pair = compose_config(["pair=mini"]).pair
    own = pd.Series([True, True, True, False])
    table, said = with_fidelity(SPEEDS, tmp_path, pair, own)
    assert table.equals(SPEEDS) and "obclip reproduce pareto" in said
    keys = {"pair": "mini", "k": [10, 5, 5], "guidance": [2.0, 2.0, 5.0], "method": [UNCACHED, "2 steps", "2 steps"]}
    scores = pd.DataFrame(keys | {"n": [300, 300, 8], "ssim": [1.0, 0.997, 0.9], "distance": [0.0, 0.01, 0.1]})
    scores.to_csv(tmp_path / "pareto.csv", index=False)
    pd.DataFrame(keys | {"tone: dark": [0.9, 0.8, 0.7], "tone: dark_low": 0.5}).to_csv(
        tmp_path / "pareto_groups.csv", index=False
    )
    table, said = with_fidelity(SPEEDS, tmp_path, pair, own)
    assert table.columns.tolist() == ["k", "method", "distance", "ssim", "tone: dark"]
    assert table["ssim"].fillna(0).tolist() == [0, 1.0, 0.997, 0] and table["tone: dark"].fillna(0).tolist()[2] == 0.8
    assert "guidance 2, 300 to 300 prompts" in said


def test_names_of_presets_mean_what_the_presets_do() -> None:
    methods = compose_config(["experiment=pareto"]).experiment["methods"]
    for preset in ("thin_k10", "thin_k5", "trunk_k5"):
        one = compose_config([f"cache={preset}"])
        same = compose_config([f"hybrid.switch_point={one.hybrid.switch_point}", *methods[METHODS[preset]]["set"]])
        assert (one.hybrid.cloud_steps, one.cache.trunk) == (same.hybrid.cloud_steps, same.cache.trunk)
