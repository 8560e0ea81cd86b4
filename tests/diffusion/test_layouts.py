"""Models in the layouts of real repositories: loaded, or refused in one line that says what to type."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from obclip_cli.config import ModelConfig
from obclip_cli.diffusion import hub
from obclip_cli.diffusion.models import check_same_latent_space, load_pipeline
from obclip_cli.errors import UserError
from tests.fake_hub import serve
from tests.tiny_checkpoints import tiny_pipeline_of

NAME = "diffusion_pytorch_model"
UNET = f"unet/{NAME}.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts") / "whole"
    tiny_pipeline_of("bksdm-tiny", seed=0).save_pretrained(folder)
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


def load(folder: Path, **settings: Any) -> DiffusionPipeline:
    return load_pipeline(ModelConfig(str(folder), **settings), dtype="float32", device="cpu")


@pytest.mark.parametrize(
    "saved",
    [
        {"variant": "fp16"},
        {"safe_serialization": False},
        {"safe_serialization": False, "variant": "fp16"},
        {"max_shard_size": "20KB"},
        {"max_shard_size": "20KB", "variant": "fp16"},
        {"max_shard_size": "20KB", "safe_serialization": False},
    ],
)
def test_every_format_gives_the_same_weights(saved: dict[str, Any], whole: Path, tmp_path: Path) -> None:
    """Without a setting: what is there is loaded."""
    made = tiny_pipeline_of("bksdm-tiny", seed=0)
    made.save_pretrained(tmp_path / "model", **saved)
    loaded = load(tmp_path / "model")
    for part in ("unet", "vae", "text_encoder"):
        expected = getattr(made, part).state_dict()
        assert all(torch.equal(expected[key], value) for key, value in getattr(loaded, part).state_dict().items())


def test_a_variant_of_the_unet_alone(model: Path) -> None:
    (model / UNET).rename(model / "unet" / f"{NAME}.fp16.safetensors")
    assert load(model).unet.dtype == load(model, variant="fp16").unet.dtype == torch.float32


def _without(path: str) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        shutil.rmtree(folder / path) if (folder / path).is_dir() else (folder / path).unlink()

    return broken


def _pointer(path: str) -> Callable[[Path], None]:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3438167536\n"
    return lambda folder: void((folder / path).write_text(text))


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        values = load_file(folder / UNET)
        change(values)
        save_file(values, folder / UNET)

    return changed


def void(_: object) -> None:
    """For a lambda that must return nothing."""


def _one_shard_less(folder: Path) -> None:
    (folder / UNET).unlink()
    tiny_pipeline_of("bksdm-tiny", seed=0).unet.save_pretrained(folder / "unet", max_shard_size="20KB")
    sorted((folder / "unet").glob("*-00002-of-*"))[0].unlink()


def _only_a_checkpoint(folder: Path) -> None:
    (folder / "model_index.json").unlink()
    save_file({"conditioner.embedders.0.x": torch.zeros(1)}, folder / "base.safetensors")


def _fewer_words(folder: Path) -> None:
    tokens = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary |= {f"more{place}": len(vocabulary) + place for place in range(9)}
    (folder / "tokenizer" / "tokenizer.json").write_text(json.dumps(tokens))


CONV = "conv_out.weight"
BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tokenizer": (_without("tokenizer"), r"\(tokenizer\); name a whole folder"),
    "no vocabulary": (_without("tokenizer/tokenizer.json"), r"tokenizer: it has no vocabulary"),
    "another's vocabulary": (_fewer_words, r"tokenizer of .* knows 523 tokens, its text encoder 514"),
    "no scheduler": (_without("scheduler"), r"\(scheduler\)"),
    "no text encoder": (_without("text_encoder/model.safetensors"), r"\(text_encoder\)"),
    "lfs weights": (_pointer(UNET), r"unet: .* is a git-lfs pointer, run `git lfs pull`"),
    "lfs vocabulary": (_pointer("tokenizer/tokenizer.json"), r"tokenizer: .* is a git-lfs pointer"),
    "lfs index": (_pointer("model_index.json"), r"model_index.json: it is not JSON"),
    "a shard less": (_one_shard_less, r"unet: .*-00002-of-\d+.safetensors is missing"),
    "a key less": (_weights(lambda w: w.pop(CONV)), r"unet lack conv_out.weight; replace config.json and weights"),
    "a key more": (
        _weights(lambda w: w.update(extra=torch.zeros(1))),
        r"what its config.json does not describe: extra",
    ),
    "a wrong shape": (_weights(lambda w: w.update({CONV: torch.zeros(1, 2)})), r"cannot be read.*whole copy"),
    "NaN": (_weights(lambda w: w[CONV].fill_(torch.nan)), r"the unet of .* holds NaN or infinity \(conv_out.weight\)"),
    "one file": (_only_a_checkpoint, r"base.safetensors is a checkpoint.*StableDiffusionXLPipeline.*from_single_file"),
    "no index": (_without("model_index.json"), r"no model folder at .* \(model_index.json is missing\)"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_one_line(kind: str, model: Path) -> None:
    broken, words = BROKEN[kind]
    broken(model)
    with pytest.raises(UserError, match=words) as caught:
        load(model)
    assert "\n" not in str(caught.value)


def test_a_path_to_one_file_or_one_part_is_told_apart(model: Path) -> None:
    for path, words in (
        (model / UNET, r"is a checkpoint of one file.*StableDiffusionPipeline"),
        (model / "unet", "one part"),
    ):
        with pytest.raises(UserError, match=words):
            load(path)
    with pytest.raises(UserError, match=r"no model folder at models/sd.safetensors"):
        load(Path("models/sd.safetensors"))


def _null_in_index(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": [None, None]}))


@pytest.mark.parametrize("without", [_without("vae"), _without(f"vae/{NAME}.safetensors"), _null_in_index])
def test_a_cloud_needs_no_autoencoder_and_either_side_can_be_given_one(
    without: Callable[[Path], None], model: Path, whole: Path
) -> None:
    without(model)
    bare, device = load(model), load(whole)
    assert bare.vae is None
    check_same_latent_space(bare, device)
    with pytest.raises(UserError, match=r"no autoencoder to decode with.*pair\.device\.vae=stabilityai/sd-vae-ft-mse"):
        check_same_latent_space(device, bare)
    given = load(model, vae=str(whole / "vae"))
    check_same_latent_space(device, given)
    assert torch.equal(given.vae.post_quant_conv.weight, device.vae.post_quant_conv.weight)
    assert [copy.key for copy in hub.copies(ModelConfig(str(model), vae=str(whole / "vae")))] == ["path", "vae"]
    with pytest.raises(UserError, match=r"no model folder at /nowhere \(config.json is missing\)"):
        load(model, vae="/nowhere")


def test_a_hub_model_without_autoencoder_is_whole_and_takes_one_of_another_repository(
    model: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without("vae")(model)
    bare = ModelConfig("someone/noVAE")
    given = ModelConfig("someone/noVAE", vae="stabilityai/sd-vae-ft-mse")
    served = {bare.path: model, str(given.vae): whole / "vae"}
    with serve(served, monkeypatch, tmp_path / "cache") as asked:
        hub.fetch(bare)
        assert hub.needed(hub.copies(bare)[0]) == []
        hub.fetch(given)
    assert {path for path in asked if path.startswith("stabilityai")} == {
        "stabilityai/sd-vae-ft-mse/config.json",
        f"stabilityai/sd-vae-ft-mse/{NAME}.safetensors",
    }
    # The hub is gone.
    assert load_pipeline(bare, dtype="float32", device="cpu").vae is None
    assert load_pipeline(given, dtype="float32", device="cpu").vae is not None


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_the_advice_takes_one_format_and_what_it_takes_loads(
    variant: str | None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hf download --include` hands its patterns to snapshot_download."""
    from huggingface_hub import snapshot_download

    made = tiny_pipeline_of("bksdm-tiny", seed=0)
    made.save_pretrained(model, variant="fp16")
    made.save_pretrained(model, safe_serialization=False)
    (model / "v1-4.ckpt").write_text("a fourth format")
    asked_for = ModelConfig("CompVis/stable-diffusion-v1-4", variant=variant)
    with serve({asked_for.path: model}, monkeypatch, tmp_path / "cache") as asked:
        (copy,) = hub.copies(asked_for)
        assert "--include 'unet/" in hub.how_to_get([copy], "")
        snapshot_download(asked_for.path, allow_patterns=list(copy.files), local_dir=tmp_path / "DIR1")
    endings = {path.partition(".")[2] for path in asked if "model." in path}
    assert endings == {f"{variant}.safetensors" if variant else "safetensors"}
    assert load(tmp_path / "DIR1").vae is not None


@pytest.mark.parametrize("saved", [{"variant": "fp16"}, {"safe_serialization": False}])
def test_a_repository_of_one_variant_or_of_two_formats_is_fetched_whole(
    saved: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers has saved the text encoder as .safetensors beside a .bin; diffusers would leave it out."""
    tiny_pipeline_of("bksdm-tiny", seed=0).save_pretrained(tmp_path / "model", **saved)
    asked_for = ModelConfig("someone/something")
    with serve({asked_for.path: tmp_path / "model"}, monkeypatch, tmp_path / "cache"):
        hub.fetch(asked_for)
    assert hub.copies(asked_for)[0].missing == ()
    assert load_pipeline(asked_for, dtype="float32", device="cpu").vae is not None
