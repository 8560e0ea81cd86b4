"""`obclip models list`, `pull` and `check`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from obclip_cli.diffusion.pairs import pair_names
from tests.conftest import Run, assert_one_line_error
from tests.fake_hub import COMMIT, serve, use_hub
from tests.tiny_checkpoints import save_tiny

Obclip = Callable[..., Run]
NO_HUB = "http://127.0.0.1:9"
CLOUD, DEVICE = "CompVis/stable-diffusion-v1-4", "nota-ai/bk-sdm-tiny"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    names = ("sd14", "bksdm-tiny", "koala-700m", "sdxl", "lcm-sdxl")
    return {name: save_tiny(name, root / name, seed=0) for name in names}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub, and none of what this machine may have of it."""
    use_hub(NO_HUB, monkeypatch, tmp_path / "cache")


def test_list_names_every_pair_its_models_and_where_they_are(obclip: Obclip) -> None:
    run = obclip("models", "list")
    assert run.code == 0, run.err
    lines = run.out.splitlines()
    assert [line.partition(":")[0] for line in lines if line and not line.startswith(" ")] == pair_names()
    assert "mini: 64x64 images, latents 8x16x16, taxonomy emoji" in lines
    assert "sd14-bksdm-tiny: 512x512 images, latents 4x64x64, taxonomy paper" in lines
    assert f"  cloud  {CLOUD}" in lines
    assert "         4.3 GB, not here, CreativeML OpenRAIL-M" in lines
    assert "  cloud  stabilityai/stable-diffusion-xl-base-1.0 + latent-consistency/lcm-sdxl" in lines


def test_list_as_json_has_the_same_facts(obclip: Obclip) -> None:
    run = obclip("models", "list", "--json")
    assert run.code == 0, run.err
    rows = {row["pair"]: row for row in json.loads(run.out)}
    assert list(rows) == pair_names()
    assert rows["mini"]["here"] and rows["mini"]["cloud"]["copies"][0]["kind"] == "package"
    assert rows["mini"]["latents"] == [8, 16, 16] and rows["mini"]["resolution"] == 64
    xl = rows["lcmsdxl-koala"]
    assert (xl["resolution"], xl["latents"], xl["taxonomy"], xl["here"]) == (1024, [4, 128, 128], "paper", False)
    assert xl["disk_gb"] == round(xl["cloud"]["disk_gb"] + xl["device"]["disk_gb"], 2)
    assert [copy["source"] for copy in xl["cloud"]["copies"]] == [xl["cloud"]["model"], xl["cloud"]["unet"]]


def test_pull_downloads_both_models_and_list_and_check_find_them(
    obclip: Obclip, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with serve({CLOUD: folders["sd14"], DEVICE: folders["bksdm-tiny"]}, monkeypatch, cache):
        run = obclip("models", "pull", "sd14-bksdm-tiny")
    assert run.code == 0, run.err
    assert run.out.splitlines()[0] == f"cloud  {CLOUD}, revision {COMMIT}"
    assert str(cache) in run.out.splitlines()[1]

    # From here on the hub is gone.
    rows = {row["pair"]: row for row in json.loads(obclip("models", "list", "--json").out)}
    assert rows["sd14-bksdm-tiny"]["here"] and rows["sd14-bksdm-tiny"]["latents"] == [4, 16, 16]
    assert not rows["sd14-bksdm-small"]["here"] and rows["sd14-bksdm-small"]["cloud"]["here"]
    check = obclip("models", "check", "sd14-bksdm-tiny", "--json")
    assert check.code == 0, check.err
    assert json.loads(check.out)["cloud"]["revision"] == COMMIT
    again = obclip("models", "pull", "sd14-bksdm-tiny", "--json")
    assert again.code == 0 and json.loads(again.out)["device"]["copies"][0]["revision"] == COMMIT
    assert "out of reach" in again.err


def test_pull_without_a_hub_says_what_is_missing_and_what_to_type(obclip: Obclip) -> None:
    run = obclip("models", "pull", "lcmsdxl-koala")
    assert_one_line_error(
        run,
        "stabilityai/stable-diffusion-xl-base-1.0 (model_index.json, vae, text_encoder, tokenizer, scheduler)",
        "latent-consistency/lcm-sdxl (unet)",
        "`hf download etri-vilab/koala-700m --include 'model_index.json' ",
        "--include 'unet/diffusion_pytorch_model.safetensors' ",
        " --local-dir DIR3`",
        "pair.cloud.path=DIR1 pair.cloud.unet=DIR2 pair.device.path=DIR3",
    )


def test_pull_of_folders_has_nothing_to_fetch(obclip: Obclip, folders: dict[str, Path]) -> None:
    run = obclip("models", "pull", "mini", f"pair.cloud.path={folders['sd14']}")
    assert run.code == 0, run.err
    assert run.out.splitlines()[1].strip() == str(folders["sd14"])


def test_check_shows_what_both_models_are(obclip: Obclip, folders: dict[str, Path]) -> None:
    paths = [f"pair.cloud.path={folders['sd14']}", f"pair.device.path={folders['bksdm-tiny']}"]
    run = obclip("models", "check", "sd14-bksdm-tiny", *paths)
    assert run.code == 0, run.err
    for words in ("4 down, 1 mid, 4 up", "3 down, 0 mid, 3 up", "4x16x16", "128x128", "float16", "one latent space"):
        assert words in run.out
    facts = json.loads(obclip("models", "check", "sd14-bksdm-tiny", "--json", *paths).out)
    assert facts["cloud"]["scheduler"] == facts["device"]["scheduler"] == "DPMSolverMultistepScheduler"
    assert facts["schedule"] in " ".join(run.out.split())
    assert facts["cloud"]["unet_parameters"] > facts["device"]["unet_parameters"]
    assert facts["cloud"]["as_in_architecture"] is False  # tiny, unlike the pair's own


def test_check_with_a_unet_kept_apart(obclip: Obclip, folders: dict[str, Path]) -> None:
    paths = [f"pair.cloud.path={folders['sdxl']}", f"pair.cloud.unet={folders['lcm-sdxl']}"]
    run = obclip("models", "check", "lcmsdxl-koala", "--json", *paths, f"pair.device.path={folders['koala-700m']}")
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert (facts["cloud"]["scheduler"], facts["cloud"]["guidance_scale"]) == ("LCMScheduler", 8.0)
    assert facts["cloud"]["latents"] == facts["device"]["latents"] == [4, 16, 16]


def test_check_counts_the_real_pair_in_the_package(obclip: Obclip) -> None:
    facts = json.loads(obclip("models", "check", "mini", "--json").out)
    assert facts["cloud"]["latents"] == [8, 16, 16] and facts["cloud"]["image"] == [64, 64]
    assert facts["cloud"]["as_in_architecture"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "sd14-bksdm-tny"], ["there is no pair sd14-bksdm-tny", "sd14-bksdm-tiny"]),
        (["pull", "mimi"], ["there is no pair mimi", "mini"]),
        (["check", "mini", "pair.cloud.pth=x"], ["there is no setting pair.cloud.pth"]),
        (["check", "mini", "nonsense"], ['"nonsense" is not an override']),
        (["check", "sd14-bksdm-small"], ["unet, vae", "obclip models pull sd14-bksdm-small", "pair.cloud.path=DIR"]),
        (["check", "mini", "pair.cloud.path=/nowhere"], ["no model folder at /nowhere"]),
        (["pull", "mini", "pair.cloud.path=/nowhere"], ["no model folder at /nowhere", "hub id"]),
        (["pull"], ["PAIR"]),
        (["lst"], ["lst"]),
    ],
)
def test_bad_input_is_one_line(obclip: Obclip, arguments: list[str], words: list[str]) -> None:
    assert_one_line_error(obclip("models", *arguments), *words)


def test_a_folder_that_lacks_a_part_is_named(obclip: Obclip, tmp_path: Path) -> None:
    folder = save_tiny("bksdm-tiny", tmp_path / "model", seed=0)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert_one_line_error(obclip("models", "check", "mini", f"pair.device.path={folder}"), f"{folder} (vae)")
