"""Downloads from a stand-in for the hub: what is fetched, what is left out, and what happens when the hub is gone."""

import json
import socket
from pathlib import Path

import pytest

from obclip_cli.config import ModelConfig
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.models import load_pipeline
from obclip_cli.errors import UserError
from tests.fake_hub import COMMIT, serve, use_hub
from tests.tiny_checkpoints import save_tiny


@pytest.fixture
def sd14(tmp_path: Path) -> Path:
    """A repository with more in it than is needed, as Stable Diffusion v1.4's is."""
    folder = save_tiny("sd14", tmp_path / "sd14", seed=0)
    (folder / "safety_checker").mkdir()
    for name in ("safety_checker/config.json", "safety_checker/model.safetensors", "sd-v1-4.ckpt"):
        (folder / name).write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_text("an older format")
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_only_what_is_loaded_is_fetched_and_only_once(
    sd14: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelConfig("CompVis/stable-diffusion-v1-4")
    with serve({model.path: sd14}, monkeypatch, tmp_path / "cache") as asked:
        assert hub.copies(model)[0].folder is None
        hub.fetch(model)
        names = {path.removeprefix(f"{model.path}/") for path in asked}
        assert "unet/diffusion_pytorch_model.safetensors" in names
        assert not any(name.startswith("safety_checker") or name.endswith((".bin", ".ckpt")) for name in names)
        asked.clear()
        hub.fetch(model)
        assert asked == []
    (copy,) = hub.copies(model)
    assert (copy.kind, copy.missing, copy.revision) == ("hub cache", (), COMMIT)
    # The hub is gone by now.
    assert load_pipeline(model, dtype="float32", device="cpu").unet.mid_block is not None


def test_a_unet_kept_apart_comes_in_place_of_the_pipelines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelConfig("stabilityai/sdxl", unet="latent-consistency/lcm-sdxl", variant="fp16", scheduler="lcm")
    folders = {name: save_tiny(name, tmp_path / name, seed=0) for name in ("sdxl", "lcm-sdxl")}
    served = {model.path: folders["sdxl"], str(model.unet): folders["lcm-sdxl"]}
    with serve(served, monkeypatch, tmp_path / "cache") as asked:
        hub.fetch(model)
    weights = sorted({path for path in asked if path.endswith(".safetensors")})
    assert weights == [
        "latent-consistency/lcm-sdxl/diffusion_pytorch_model.fp16.safetensors",
        "stabilityai/sdxl/text_encoder/model.fp16.safetensors",
        "stabilityai/sdxl/text_encoder_2/model.fp16.safetensors",
        "stabilityai/sdxl/vae/diffusion_pytorch_model.fp16.safetensors",
    ]
    assert [copy.missing for copy in hub.copies(model)] == [(), ()]
    assert load_pipeline(model, dtype="float16", device="cpu").unet.config.time_cond_proj_dim == 256


def test_an_interrupted_download_is_named_and_goes_on(
    sd14: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelConfig("CompVis/stable-diffusion-v1-4")
    with serve({model.path: sd14}, monkeypatch, tmp_path / "cache") as asked:
        hub.fetch(model)
        folder = hub.copies(model)[0].folder
        assert folder is not None
        (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        assert hub.copies(model)[0].missing == ("unet",)
        asked.clear()
        hub.fetch(model)
        assert not any("vae" in path for path in asked)
    assert hub.copies(model)[0].missing == ()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (ModelConfig("someone/nothing"), "the hub shows no model someone/nothing"),
        (ModelConfig("someone/something", revision="v9"), "someone/something has no revision v9"),
        (ModelConfig("someone/something", unet="someone/nothing"), "the hub shows no model someone/nothing"),
    ],
)
def test_wrong_names_are_one_line(
    model: ModelConfig, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"someone/something": tmp_path}, monkeypatch, tmp_path), pytest.raises(UserError, match=words):
        hub.ask_hub(model)


def test_a_hub_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and then says nothing; huggingface_hub itself sets no limit to that."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        use_hub(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch, tmp_path)
        monkeypatch.setattr(hub, "PATIENCE", 0.2)
        with pytest.raises(UserError, match=r"the hub is out of reach \(timed out\)"):
            load_pipeline(ModelConfig("someone/something"), dtype="float32", device="cpu")


def test_the_variant_that_is_asked_for_must_be_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ModelConfig("stabilityai/sdxl")
    with serve({plain.path: save_tiny("sdxl", tmp_path / "sdxl", seed=0)}, monkeypatch, tmp_path / "cache"):
        hub.fetch(plain)
    assert hub.copies(plain)[0].missing == ()
    assert hub.copies(ModelConfig(plain.path, variant="fp16"))[0].missing == ("unet",)
