"""Figures 7, 8, 10, 11 and 13: what is drawn, what stands behind it, and what Figure 8 concludes."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from experiments import figure13, shared_maps
from experiments.shared_maps import candidate_images
from obclip_cli.compose import compose_config
from obclip_cli.data import Sample
from obclip_cli.diffusion.schedule import Split, split
from obclip_cli.evaluation.blocks import blocks_of
from obclip_cli.evaluation.generate import Pair, generate_images, load_pair
from obclip_cli.evaluation.methods import Method
from obclip_cli.metrics.features import Features
from obclip_cli.prompts.candidates import CandidateSet
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.reproduction import grids
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, NOT_DECIDED, NOT_TESTABLE
from tests.conftest import Run, assert_one_line_error
from tests.experiments.conftest import Reproduced

Obclip = Callable[..., Run]
OWN, SHARED = "own attention maps", "maps of one for both"
PROMPTS, OTHERS = ("a man bowing", "a woman bowing"), ("a boy", "a girl")


@pytest.mark.parametrize("name", ["figure7", "figure8", "figure10", "figure11", "figure13"])
def test_every_image_that_is_listed_is_kept_with_what_the_judge_reads(name: str, reproduced: Reproduced) -> None:
    table = reproduced.table(name)
    assert {"prompt", "seed", "gender", "gender_read", "gender_right"} <= set(table.columns)
    (run,) = (reproduced.folder / "runs").glob(f"{name}-*")
    assert run.name in (reproduced.folder / f"{name}.md").read_text()
    readings = pd.read_csv(run / "readings.csv")
    assert len(list(run.rglob("*.png"))) == len(readings) >= len(table) > 0
    assert list(readings["row"].unique()) == list(table["row"].unique())
    read = table[table["row"] != figure13.SENT]
    assert (read["gender_right"] == (read["gender_read"] == read["gender"])).all()


def test_the_gallery_has_a_picture_of_every_candidate_and_method_beside_the_table(reproduced: Reproduced) -> None:
    table = reproduced.table("gallery")
    assert list(table.groupby("place").size()) == [3 + 10] * 3
    assert all((reproduced.folder / file).stat().st_size for file in table["file"])
    candidates = table[table["row"].str.startswith("candidate")]
    assert candidates.groupby("place")["words"].nunique().eq(10).all() and candidates["gender_read"].notna().all()


@pytest.mark.parametrize("name", ["figure7", "figure11"])
def test_a_pair_without_weights_is_one_line(
    name: str, obclip: Obclip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = obclip("reproduce", name, "--pair", "rv4-smallsd", "--leave-out", "-o", str(tmp_path))
    assert_one_line_error(run, "not whole", "rv4-smallsd")


LCM = ["pair=lcmsdxl-koala", "hybrid.switch_point=4", "hybrid.timestep_shift=8"]


def test_figure7_holds_every_method_of_the_papers_tables() -> None:
    names = [method.name for method in blocks_of(compose_config(["experiment=figure7"]))[0].methods]
    assert names[:3] == ["cloud-only", "device-only", "vanilla OG"]
    assert names[3:7] == ["Hybrid SD, k=10", "ObCLIP, k=10", "ObCLIP, k=10, cache", "ObCLIP, k=10, cache+reuse"]
    lcm = blocks_of(compose_config(["experiment=figure7", *LCM]))[0].methods
    assert "ObCLIP, k=4, cache+reuse" in [method.name for method in lcm]


def test_figures_10_and_13_run_from_one_end_to_the_other(reproduced: Reproduced) -> None:
    ours, lcm = (blocks_of(compose_config(["experiment=figure10", *pair]))[0].methods for pair in ([], LCM))
    assert [method.switch_point for method in ours] == [0, 1, 3, 5, 10, 15, 20, 25]
    assert [method.switch_point for method in lcm] == [0, 1, 2, 3, 5, 6, 8]
    assert all(method.timestep_shift == 8 for method in lcm)
    assert figure13.switch_points(compose_config(["experiment=figure13"])) == [1, 3, 5, 8, 10, 15, 20, 25]
    assert list(reproduced.table("figure10")["row"].unique()[[0, -1]]) == ["k=0", "k=12"]


class Reader:
    """Reads the gender from the red of a picture's first pixel, and the tone from its green."""

    labels: ClassVar = {"gender": ["female", "male"], "tone": ["light", "dark"], "role": ["cook"], "age": ["old"]}

    def extract(self, images: torch.Tensor) -> Features:
        values = images[:, :2, 0, 0].float()
        logits = {name: torch.stack([1 - values[:, i], values[:, i]], 1) for i, name in enumerate(("gender", "tone"))}
        return Features(values, values, values, {**logits, "role": values[:, :1], "age": values[:, :1]})


def picture(red: int, green: int) -> torch.Tensor:
    return torch.tensor([red, green, 0], dtype=torch.uint8).reshape(3, 1, 1).expand(3, 2, 2)


def test_readings_say_what_is_read_and_whether_it_was_asked_for() -> None:
    rows = {"ours": [picture(1, 0), picture(0, 0)], "theirs": [picture(0, 1)] * 2, "noise": [picture(1, 1)] * 2}
    samples = [Sample("p", 7, {"gender": "male", "tone": "light"}), Sample("q", 8, {"gender": "male"})]
    pictures = {name: torch.stack(images) for name, images in rows.items()}
    made = grids.Images(pictures, samples, ["first", "second"], unread=("noise",))
    table = grids.readings(made, Reader())  # type: ignore[arg-type]
    read = {column.removesuffix("_read") for column in table.columns if column.endswith("_read")}
    assert read == {"gender", "tone"}  # nobody asked for an age, and roles are not read
    by_place = table.set_index(["row", "place"])
    first, second = by_place.loc[("ours", 0)], by_place.loc[("ours", 1)]
    assert (first["seed"], first["gender_read"], first["gender_right"], first["tone_right"]) == (7, "male", True, True)
    assert (second["gender_read"], second["gender_right"], second["tone_right"]) == ("female", False, None)
    assert by_place.loc[("theirs", 0), "tone_read"] == "dark" and not by_place.loc[("theirs", 0), "tone_right"]
    assert by_place.loc["noise", ["gender_read", "gender_right"]].isna().all(axis=None)


def test_only_wrong_images_are_framed_in_red(tmp_path: Path) -> None:
    white = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    reds = []
    for place, good in enumerate((True, False, None)):
        path = tmp_path / f"{place}.png"
        plot_grid(path, {"row": white}, ["column"], right={"row": [good]}, title="Title")
        reds.append(int((np.asarray(Image.open(path).convert("RGB")) == (0xD1, 0x34, 0x2F)).all(axis=2).sum()))
    assert reds[0] == reds[2] == 0 and reds[1] > 100


def images_of(pair: Pair, divided: Split, *sets: tuple[str, ...], shared: int, first: int = 5) -> torch.Tensor:
    """From seeds `first`, `first` + 1, ..."""
    seeds = [first + place for place in range(len(sets))]
    told: list[int] = []
    found = candidate_images(pair, divided, list(sets), seeds, shared=shared, advance=told.append)
    assert sum(told) == len(found) == sum(map(len, sets))
    return found


def test_own_maps_give_the_schemes_images_and_shared_ones_leave_only_the_pivots(tiny_pair: list[str]) -> None:
    config = compose_config([*tiny_pair, "hybrid.steps=6", "hybrid.switch_point=4"])
    pair, divided = load_pair(config), split(config.pair, config.hybrid)
    samples, sets = (
        [Sample(prompt, 5, {}) for prompt in PROMPTS],
        [CandidateSet(PROMPTS, place, {}) for place in (0, 1)],
    )
    method = Method("ObCLIP", "server_first", 4, hidden=True)
    expected = generate_images(pair, samples, [method], sets, lambda *_: lambda _: None)["ObCLIP"]
    before = dict(pair.cloud.unet.attn_processors)
    own, shared = (images_of(pair, divided, PROMPTS, shared=steps).int() for steps in (0, 4))
    assert (own - expected.int()).abs().max() <= 1  # batches of other sizes round differently
    assert (shared[0] - own[0]).abs().max() <= 1
    assert not torch.equal(shared[1], own[1])
    assert pair.cloud.unet.attn_processors == before


@pytest.mark.parametrize("shared", [0, 2])
def test_neither_another_set_nor_another_candidate_changes_an_image_that_lends_its_maps(
    tiny_pair: list[str], shared: int
) -> None:
    """Alone the first candidate still lends its map to its unconditional row, as the paper's costs imply."""
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=2"])
    pair, divided = load_pair(config), split(config.pair, config.hybrid)
    both = images_of(pair, divided, PROMPTS, OTHERS, shared=shared).int()
    first, alone = (images_of(pair, divided, prompts, shared=shared).int() for prompts in (PROMPTS, PROMPTS[:1]))
    second = images_of(pair, divided, OTHERS, shared=shared, first=6).int()
    assert (both - torch.cat([first, second])).abs().max() <= 1
    assert (alone[0] - first[0]).abs().max() <= 1


def stored(folder: Path, own: list[int], shared: list[int]) -> pd.DataFrame:
    """Readings of Figure 8: 1 where the gender was read right."""
    rows = [
        {"row": row, "place": place, "gender_right": bool(hit)}
        for row, hits in ((OWN, own), (SHARED, shared))
        for place, hit in enumerate(hits)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "readings.csv", index=False)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("own", "shared", "word"),
    [
        ([1] * 200, [1] * 200, HOLDS),
        ([1] * 20, [1] * 20, NOT_DECIDED),  # so few pairs without a change say little
        ([1] * 200, [1, 0] * 100, DOES_NOT_HOLD),
        ([1] * 200, [1] * 190 + [0] * 10, NOT_DECIDED),
        ([], [], NOT_TESTABLE),
    ],
)
def test_figure8_decides_by_paired_intervals(own: list[int], shared: list[int], word: str, tmp_path: Path) -> None:
    config = compose_config(["experiment=figure8"])
    if own:
        stored(grids.run_folder(config, tmp_path, shared_maps.plan(config)), own, shared)
    (claim,) = shared_maps.claims(config, tmp_path)
    assert claim.verdict.word == word
    shares = [f"{100 * sum(hits) / len(hits):.1f}%" for hits in (own, shared) if hits]
    assert all(share in claim.ours for share in shares)


def test_figure8_counts_a_lost_and_a_won_image_of_a_pair_as_none(tmp_path: Path) -> None:
    found = shared_maps.lost(stored(tmp_path, [1, 0, 1, 1], [0, 1, 1, 0]), OWN, SHARED)
    assert found.value == -0.25 and found.low == -0.5 and found.high == 0.0


def test_figure8_needs_a_schedule_with_room_for_the_papers_k(
    obclip: Obclip, tiny_pair: list[str], tmp_path: Path
) -> None:
    run = obclip("reproduce", "figure8", "-o", str(tmp_path), *tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1")
    assert_one_line_error(run, "hybrid.steps=4", "5 or more")
